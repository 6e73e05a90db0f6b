"""Words and symbols of `glossary.toml`: each with its meaning, the letter in the paper and the name in code."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import final

from .former import former

__all__ = ["GLOSSARY"]
former(__name__)


@final
@dataclass(frozen=True)
class _Word:
    """A term and what it means.

    Args:
        name: the word or symbol that is looked up.
        symbol: its symbol in formulas, and the paper's letter where that differs.
        code: its name in code.
        meaning: one or two sentences.
    """

    name: str
    symbol: str
    code: str
    meaning: str


_FILE = Path(__file__).with_name("glossary.toml")

GLOSSARY = {
    name: _Word(name, **words) for name, words in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()
}
