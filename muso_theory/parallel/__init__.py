"""Long work: points measured in parallel or on a cluster, kept when finished, ended by a signal in order."""

from __future__ import annotations

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
