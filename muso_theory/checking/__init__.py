"""From a problem to a report on claims: arithmetics, their costs, words for rows, and stored reports checked again."""

from __future__ import annotations

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
