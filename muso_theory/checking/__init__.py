"""Checks: from a problem to a report on every claim, its words and its costs, and a stored report checked again."""

from __future__ import annotations

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
