"""What a rule returned as plain bytes: the process that judges a rule makes nothing else of them than numbers.

A message is a line of JSON and, of an ordinary array, its entries as they lie in memory; entries that are objects are
sent as exact text. Nothing is pickled, since whoever reads a pickle runs what its writer says.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..files.reading import MOST_BYTES

__all__ = ["pack", "strange", "unpack"]

_MOST_DIGITS = 20_000
"""Hexadecimal ones of an exact number: Python divides numbers by all of them."""

_DTYPE = re.compile(r"[<>|][fiub]\d{1,2}")
_NUMBERS = (int, float, Fraction, np.integer, np.floating)


def strange(values: Array) -> str:
    """Why an array is none of real numbers, or nothing.

    Example:
        >>> strange(np.array([1, None])), strange(np.eye(2))
        ('entries of type NoneType, int', '')
    """
    if values.dtype.kind != "O":
        return "" if _DTYPE.fullmatch(values.dtype.str) else f"dtype {values.dtype}"
    if all(isinstance(x, _NUMBERS) for x in values.ravel()):
        return ""
    return f"entries of type {', '.join(sorted({type(x).__name__ for x in values.ravel()}))}"


def pack(values: Array | None, odd: str, **words: Any) -> bytes:
    """A message.

    Args:
        values: an array of which only the shape is sent if ``odd`` says that it is none of numbers.
        words: what JSON can hold.

    Raises:
        ValueError: more than `files.reading.MOST_BYTES`, or an exact number that is too long.

    Example:
        >>> unpack(pack(np.array([Fraction(1, 3), 2.5], dtype=object), "", twice=True))
        (array([Fraction(1, 3), 2.5], dtype=object), '', {'twice': True})
    """
    raw, told = b"", dict[str, Any](odd=odd, words=words)
    if values is not None:
        told["shape"] = list(values.shape)
        if not odd and values.dtype.kind == "O":
            told["exact"] = [_text(x) for x in values.ravel()]
        elif not odd:
            told["dtype"], raw = values.dtype.str, values.tobytes()
    message = json.dumps(told).encode() + b"\n" + raw
    if len(message) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    return message


def unpack(message: bytes) -> tuple[Array | None, str, dict[str, Any]]:
    """What `pack` was given; of what is strange an array of None.

    Raises:
        ValueError: any other bytes.

    Example:
        >>> unpack(b'{"odd": "", "words": {}, "shape": [2], "dtype": "<f8"}' + bytes(9))
        Traceback (most recent call last):
            ...
        ValueError: no message of a rule
    """
    try:
        head, _, raw = message.partition(b"\n")
        told = json.loads(head)
        odd, words = told["odd"], told["words"]
        if not (isinstance(odd, str) and isinstance(words, dict)):
            raise TypeError
        return (_array(told, odd, raw) if "shape" in told else None), odd, words
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError):
        raise ValueError("no message of a rule") from None


def _array(told: dict[str, Any], odd: str, raw: bytes) -> Array:
    """The array in a message."""
    shape = tuple(told["shape"])
    if odd:
        return np.broadcast_to(np.array(None, dtype=object), shape)
    if "exact" in told:
        values = np.empty(len(told["exact"]), dtype=object)
        values[:] = [_number(text) for text in told["exact"]]
    elif _DTYPE.fullmatch(told["dtype"]):
        values = np.frombuffer(bytearray(raw), told["dtype"]) if raw else np.empty(0, told["dtype"])
    else:
        raise TypeError
    if min(shape, default=1) < 0:  # which would have reshape find a length
        raise ValueError
    return values.reshape(shape)


def _text(value: Any) -> str | float:
    """A number that is an object: a float as itself, others as fractions in hexadecimal, which has no limit."""
    if isinstance(value, (float, np.floating)) and (isinstance(value, float) or not np.isfinite(value)):
        return float(value)
    top, bottom = (int(value), 1) if isinstance(value, np.integer) else value.as_integer_ratio()
    text = f"{int(top):x}/{int(bottom):x}"
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of more than {_MOST_DIGITS:,} hexadecimal digits")
    return text


def _number(text: str | float) -> Fraction | float:
    """The number again."""
    if isinstance(text, float):
        return text
    if len(text) > _MOST_DIGITS:
        raise ValueError
    top, _, bottom = text.partition("/")
    return Fraction(int(top, 16), int(bottom, 16))
