"""Docstrings as the site reads them: an ``Example:`` is code, what a named tuple is made from are its attributes."""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Extension, Object


class Docstrings(Extension):
    """Changes the text of every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            text = plain(obj.docstring.value)
            if isinstance(obj, Class) and "NamedTuple" in map(str, obj.bases):
                text = re.sub(r"^Args:$", "Attributes:", text, flags=re.M)
            obj.docstring.value = text


def plain(text: str) -> str:
    """The same docstring in words that the parser of the site knows."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.M)
    return re.sub(r":(?:class|func|meth|mod|data):`~?([^`]+)`", r"`\1`", text)
