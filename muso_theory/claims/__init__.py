"""The catalogue of claims and conditions: ``claims["exact-labels"]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..lazy import lazily
from .catalogue import CATALOGUE, Claim, markdown_table
from .finding import find

__all__ = ["CATALOGUE", "Claim", "find", "markdown_table"]


class _Catalogue(ModuleType):
    """Lets the module itself be read like a mapping."""

    def __getitem__(self, slug: str) -> Claim:
        return find(slug)

    def __iter__(self) -> Iterator[str]:
        return iter(CATALOGUE)

    def __len__(self) -> int:
        return len(CATALOGUE)


sys.modules[__name__].__class__ = _Catalogue

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
