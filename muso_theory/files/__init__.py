"""Files: what muso reads of others, what it writes, and the kinds of results."""

from __future__ import annotations

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
