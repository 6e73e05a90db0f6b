"""Methods on the user's data: one run with its evidence, and sweeps of many."""

from __future__ import annotations

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
