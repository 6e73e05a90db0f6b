"""Work that waits for products: pieces of it that wait at the same time share one.

What a product with Φ costs is mostly what Φ costs: it is read and split whatever it is multiplied with, and BLAS is
fast with many columns only. So a computation is written as a generator which yields what it needs, a `Product`, a
`Gradient` or `Columns`, and is sent the answer. It does not see whether it was alone: an answer carries the bound of
its own error, entry by entry, and that is all that a proof takes from it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, SingularMatrixError
from .accurate import Accurate, accurate_product, plain_product
from .gradients import Gradient, gradients
from .ieee import ieee_proof
from .rounding import UndecidedError
from .spans import gradients_by_spans

__all__ = ["UNDECIDED", "Columns", "Product", "Work", "alone", "together"]

UNDECIDED = (SingularMatrixError, UndecidedError, BadInputError, OverflowError)
"""What a computation may end in that one arithmetic does not decide."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """Φ_A(high + low), or Φ_Aᵀ times it: answered as `accurate_product` does, or `plain_product`.

    Args:
        features: Φ.
        index: A, which rows.
        high: what to multiply, see there.
        low: the rest of it.
        transposed: multiply with Φ_Aᵀ.
        plain: in ordinary float64, which takes no ``low``.
    """

    features: Array
    index: Array
    high: Array
    low: Array | None = None
    transposed: bool = False
    plain: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    """f(x) for a function f of columns, such as a solve with a factor, which treats each column for itself.

    Args:
        act: f; what is equal is asked together.
        x: the columns.
    """

    act: Callable[[Array], Array]
    x: Array


Work = Generator[Product | Gradient | Columns, Any, T]
"""A computation that yields what it waits for."""


@ieee_proof()
def alone(work: Work[T]) -> T:
    """Do one piece of work.

    Example:
        >>> def energy(a):
        ...     image = yield Product(np.array([[3.0, 4.0]]), np.array([0]), a, transposed=True)
        ...     return float((image.high**2).sum())
        >>> alone(energy(np.array([[2.0]])))
        100.0
    """
    answer = None
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        try:
            while True:
                (answer,) = _answered([work.send(answer)])
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


@ieee_proof()
def together(works: Sequence[Work[T]]) -> list[T | None]:
    """Do several pieces of work in lockstep.

    Returns:
        What came of each; None where it was refused, the reason of which whoever asks again alone is told.

    Example:
        >>> def doubled(x):
        ...     return (yield Columns(np.negative, x)) * -2
        >>> [found.tolist() for found in together([doubled(np.ones((1, 1))), doubled(np.zeros((1, 2)))])]
        [[[2.0]], [[0.0, 0.0]]]
    """
    found: list[T | None] = [None] * len(works)
    waiting: dict[int, Product | Gradient | Columns] = {}

    def go_on(number: int, answer: Any) -> None:
        waiting.pop(number, None)
        try:
            waiting[number] = works[number].send(answer)
        except StopIteration as done:
            found[number] = done.value
        except UNDECIDED:
            pass  # whoever asks for it is told; the others go on

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for number in range(len(works)):
            go_on(number, None)
        while waiting:
            # Dear products wait until nobody is on the way to one.
            most = max((len(it.index) for it in waiting.values() if isinstance(it, Gradient)), default=0)
            cheap = [number for number, it in waiting.items() if _is_cheap(it, most)]
            now = cheap or [*waiting]
            for number, answer in zip(now, _answered([waiting[number] for number in now]), strict=True):
                go_on(number, answer)
    return found


def _is_cheap(it: Product | Gradient | Columns, beside: int = -1) -> bool:
    """Whether it takes no nearly exact product, or a gradient with few rows where others take so many."""
    if isinstance(it, Gradient):
        return 2 * len(it.index) <= beside
    return isinstance(it, Columns) or it.plain


def _kind(it: Product | Gradient | Columns) -> Hashable:
    """What is answered by one call has the same."""
    if isinstance(it, Columns):
        return it.act
    if isinstance(it, Product):
        return (id(it.features), it.transposed, it.plain)
    return (id(it.features), it.spread is None)


def _answered(asked: Sequence[Product | Gradient | Columns]) -> list[Any]:
    """The answers to what is asked at one time, those of a kind by one call."""
    answers: list[Any] = [None] * len(asked)
    kinds: dict[Hashable, list[int]] = {}
    for i, it in enumerate(asked):
        kinds.setdefault(_kind(it), []).append(i)
    for group in [group for kind in kinds.values() for group in _of_like_rows(kind, asked)]:
        here: list[Any] = [asked[i] for i in group]
        for i, answer in zip(group, _of_one_kind(here), strict=True):
            answers[i] = answer
    return answers


def _of_one_kind(asked: Sequence[Any]) -> Sequence[Any]:
    """The answers by one call."""
    if isinstance(asked[0], Columns):
        return _applied(asked)
    if isinstance(asked[0], Product):
        return _products(asked)
    return gradients(asked) if asked[0].spread is None else gradients_by_spans(asked)


def _of_like_rows(kind: list[int], asked: Sequence[Any]) -> list[list[int]]:
    """Part products: one for all of many rows, and of few rows one for the same."""
    if isinstance(asked[kind[0]], Columns):
        return [kind]
    if _is_cheap(asked[kind[0]]) and asked[kind[0]].transposed:
        return [kind]  # it goes through all rows anyway
    # A row that a product did not ask for costs as much as one that it did.
    most = max(len(asked[i].index) for i in kind)
    parts: dict[bytes, list[int]] = {}
    for i in kind:
        index = asked[i].index
        parts.setdefault(b"" if 2 * len(index) > most else index.tobytes(), []).append(i)
    return [*parts.values()]


def _applied(asked: Sequence[Columns]) -> list[Array]:
    """A function of columns, of all of them side by side."""
    if len(asked) == 1:
        return [asked[0].act(asked[0].x)]
    found = asked[0].act(np.hstack([it.x for it in asked]))
    return [np.ascontiguousarray(found[:, cut]) for cut in _cuts([it.x for it in asked])]


def _cuts(parts: Iterable[Array]) -> list[slice]:
    """The columns of each part, where all stand side by side."""
    ends = [0, *accumulate(part.shape[1] for part in parts)]
    return [slice(*pair) for pair in pairwise(ends)]


def _products(asked: Sequence[Product]) -> list[Any]:
    """Products with some rows of Φ each, by one with all of these rows."""
    first = asked[0]
    index, places = _common([it.index for it in asked])
    operands: dict[Hashable, tuple[Array, Array | None]] = {}
    keys: list[Hashable] = []
    for i, (it, place) in enumerate(zip(asked, places, strict=True)):
        # Many fits start from one point, which is multiplied once.
        keys.append(i if it.transposed else (id(it.high), id(it.low)))
        parts = (it.high, it.low)
        spread = (_spread(part, place, len(index)) for part in parts) if it.transposed else parts
        operands[keys[-1]] = tuple(spread)  # type: ignore[assignment]
    # Rows that need not be gathered are read where they lie.
    all_rows = np.array_equal(index, np.arange(first.features.shape[0]))
    rows = slice(None) if all_rows else index
    highs = [high for high, _ in operands.values()]
    high = highs[0] if len(highs) == 1 else np.hstack(highs)
    cuts = dict(zip(operands, _cuts(highs), strict=True))

    def own(total: Array, i: int) -> Array:
        """Of the columns of all operands one's own, and of the rows, where those are of Φ."""
        found = total[:, cuts[keys[i]]]
        place = None if first.transposed else places[i]
        return np.ascontiguousarray(found if place is None else found[place])

    if first.plain:
        total, roundings = plain_product(first.features, rows, high, transposed=first.transposed)
        return [(own(total, i), roundings) for i in range(len(asked))]
    low = None
    if any(low is not None for _, low in operands.values()):
        low = np.hstack([np.zeros_like(h) if rest is None else rest for h, rest in operands.values()])
    product = accurate_product(first.features, rows, high, low, transposed=first.transposed)
    return [
        Accurate(own(product.high, i), own(product.low, i), own(product.error, i)) for i in range(len(asked))
    ]


def _common(indices: Sequence[Array]) -> tuple[Array, list[Array | None]]:
    """All rows that are among these, and the places among them of each; none where they are the same."""
    first = indices[0]
    if all(index is first or np.array_equal(index, first) for index in indices):
        return first, [None] * len(indices)
    rows = np.unique(np.concatenate(indices))
    return rows, [np.searchsorted(rows, index) for index in indices]


def _spread(x: Array | None, place: Array | None, size: int) -> Array | None:
    """Rows at their places among zeros."""
    if x is None or place is None:
        return x
    found = np.zeros((size, x.shape[1]))
    found[place] = x
    return found
