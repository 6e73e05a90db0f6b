"""A verdict is what holds in every world that the enclosures allow: brute force over small lattices of ends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import pytest

from muso_theory.evidence import Allowance, Audit, Hypothesis, Identity, Inequality, Output, Verdict
from muso_theory.numbers import Quantity

ENDS = list(itertools.combinations_with_replacement(range(4), 2))
"""Enclosures of whole numbers by their ends; a world has one number of each."""


def inside(ends: tuple[int, int]) -> range:
    return range(ends[0], ends[1] + 1)


def enclosed(ends: tuple[int, int]) -> Quantity:
    return Quantity.enclosure(Fraction(ends[0]), Fraction(ends[1]))


def cases() -> Iterator[tuple[tuple[int, int], tuple[int, int], bool, bool]]:
    """Ends of a number and of what is allowed, whether it is allowed in all worlds, and whether in none."""
    for number, limit in product(ENDS, ENDS):
        fits = [x <= a for x, a in product(inside(number), inside(limit))]
        yield number, limit, all(fits), not any(fits)


def allowance(limit: tuple[int, int], rounding: int = 0) -> Allowance:
    return Allowance(Fraction(limit[0]), Fraction(limit[1]), "a length", rounding=rounding)


@pytest.mark.parametrize(
    ("kind", "beyond"),
    [(Hypothesis, Verdict.VACUOUS), (Audit, Verdict.REFUTED), (Output, Verdict.UNDECIDED)],
)
def test_what_is_small_in_every_world_is_certified_and_in_none_is_not(
    kind: type[Hypothesis | Audit | Output], beyond: Verdict
) -> None:
    for number, limit, always, never in cases():
        found = kind("gap", enclosed(number), allowance(limit))
        wanted = Verdict.CERTIFIED if always else beyond if never else Verdict.UNDECIDED
        assert found.verdict is wanted, (number, limit)
        assert found.fails is never
        for rounding in range(4):
            # What rounding explains is neither allowed nor refuted.
            found = kind("gap", enclosed(number), allowance(limit, rounding))
            assert found.fails is (never and number[0] > rounding)
            assert found.is_missed_by_rounding is (never and number[0] <= rounding)
    for number, limit, always, _ in cases():
        if number[0] == number[1]:
            measured = kind("gap", Quantity.measured(float(number[0])), allowance(limit))
            assert measured.verdict is (Verdict.MEASURED if always else Verdict.UNDECIDED)
            assert not measured.fails
            assert not measured.is_missed_by_rounding
            exact = kind("gap", Quantity.exact(number[0]), allowance(limit))
            assert (exact.verdict is Verdict.PROVED) is (number[0] == 0)


def test_an_identity_is_refuted_where_no_world_explains_it() -> None:
    for number, limit, always, never in cases():
        for ends in ENDS:
            found = Identity("gap", enclosed(number), allowance(limit), enclosed(ends))
            refuted = all(x > e for x, e in product(inside(number), inside(ends)))
            spoilt = all(e > a for e, a in product(inside(ends), inside(limit)))
            assert found.fails is refuted
            wanted = Verdict.VACUOUS if spoilt else Verdict.UNDECIDED
            assert found.verdict is (Verdict.REFUTED if refuted else Verdict.CERTIFIED if always else wanted)
        asserted = Identity("gap", enclosed(number), allowance(limit), None)
        assert asserted.fails is never
        assert asserted.verdict is not Verdict.VACUOUS
        for size in range(4):  # what is measured explains, and refutes, nothing
            measured = Identity("gap", enclosed(number), allowance(limit), Quantity.measured(float(size)))
            assert measured.verdict is (Verdict.CERTIFIED if always else Verdict.UNDECIDED)
            assert not measured.fails


@pytest.mark.parametrize("positive", [True, False])
def test_an_inequality_holds_on_one_side_of_its_bar(positive: bool) -> None:
    for number, bar in product(ENDS, range(4)):
        holds = [x > bar if positive else x <= bar for x in inside(number)]
        found = Inequality("size", enclosed(number), positive=positive, bar=bar)
        wanted = Verdict.CERTIFIED if all(holds) else Verdict.UNDECIDED if any(holds) else Verdict.REFUTED
        assert found.verdict is wanted, (number, bar)
        assert found.fails is (not any(holds))
        measured = Inequality("size", Quantity.measured(float(number[0])), positive=positive, bar=bar)
        assert measured.verdict is (Verdict.MEASURED if holds[0] else Verdict.UNDECIDED)
        assert not measured.fails
