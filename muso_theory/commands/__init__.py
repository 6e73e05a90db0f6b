"""The `muso` command: what it is told, what it answers, and with which exit status."""

from __future__ import annotations

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
