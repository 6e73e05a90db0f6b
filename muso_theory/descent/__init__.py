"""Descent, whatever the model: update rules, losses, step sizes, orders of visits, and the loop over them."""

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
