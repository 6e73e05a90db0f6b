"""What follows from what, by definition: stated ends against proved ones over a lattice of numbers, as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from muso_theory.checking import implication
from muso_theory.checking.report import exact_text

NUMBERS: list[Fraction | float] = [
    *(Fraction(n) for n in (-3, 0, 1, 2, 10**5000)), Fraction(1, 3), Fraction(-7, 10**30),
    0.1, 1e-300, 5e-324, -2.5, 1e300, math.inf, -math.inf,
]  # fmt: skip
SMALL = ["-1", "0", "1e-9", "0.5", "1", "2", "3e9", "inf"]
VALUES = {text: float(text) for text in SMALL}


@pytest.mark.parametrize("value", NUMBERS, ids=lambda v: str(float(v)) if abs(v) < 1e300 else "long")
def test_a_number_is_read_back_exactly(value: Fraction | float) -> None:
    read = implication.number(exact_text(value))
    assert read == value
    assert isinstance(read, Fraction) or math.isinf(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "1/0",
        "one",
        "1.",
        ".5",
        "+1",
        "1e",
        "0x1",
        "1 ",
        "1/2/3",
        "1e4001",
        "1e-4001",
        "--1",
        1,
        None,
    ],
)
def test_what_is_no_number_is_none(text: Any) -> None:
    assert implication.number(text) is None


def test_decimals_are_read_up_to_their_largest_exponent() -> None:
    assert implication.number("1e4000") == 10**4000
    assert implication.number("1e-4000") == Fraction(1, 10**4000)


def test_an_end_follows_from_one_that_says_as_much() -> None:
    for stated, proved in product(SMALL, SMALL):
        for end, holds in (
            ("upper", VALUES[proved] <= VALUES[stated]),
            ("lower", VALUES[stated] <= VALUES[proved]),
        ):
            assert implication.contains(end, stated, proved) is holds, (end, stated, proved)
        assert not implication.contains("upper", "nan", proved)
        assert not implication.contains("lower", stated, None)


Follows = Callable[[float, float], bool]
WORDS: dict[str, Follows] = {
    "gap ≤ {}": lambda old, new: new <= old,
    "gap ≤ {} at most": lambda old, new: new <= old,
    "δ at σ = {}": lambda old, new: new <= old,
    "gap ≥ {}": lambda old, new: old <= new,
    "doing nothing needs σ ≥ {}": lambda old, new: old <= new,
    "gap in [{}, inf]": lambda old, new: old <= new,
    "gap in [-1, {}]": lambda old, new: new <= old,
    "T = {}": lambda old, new: old == new,
    "gap ≈ {}": lambda old, new: old == new,
    "n = 5, {}": lambda old, new: old == new,
}


@pytest.mark.parametrize("words", WORDS)
def test_a_sentence_follows_from_one_whose_numbers_say_as_much(words: str) -> None:
    for old, new in product(SMALL, SMALL):
        found = implication.words_follow(words.format(old), words.format(new))
        assert found is WORDS[words](VALUES[old], VALUES[new]), (old, new)
        # Other words say other things, and what depends on no floats is as it was.
        assert not implication.words_follow(words.format(old), words.format(new) + "!")
        assert not implication.words_follow(words.format(old) + "!", words.format(new))
        assert implication.words_follow(words.format(old), words.format(new), handed_out=True) is found
    assert not implication.words_follow(None, words)
    assert not implication.words_follow(words, 3)


@pytest.mark.parametrize("words", ["gap of the float w {}", "x = 1; gap of the float w {}"])
def test_numbers_of_floats_are_open_as_far_as_they_are_possible(words: str) -> None:
    def follows(relation: str, old: str, new: str) -> bool:
        stated, proved = (words.format(relation.format(text)) for text in (old, new))
        return implication.words_follow(stated, proved, handed_out=True)

    for old, new in product(SMALL, SMALL):
        assert follows("≥ {}", old, new)
        assert follows("in [{}, inf]", old, new)
        near = old == new or VALUES[new] <= VALUES[old]
        near |= VALUES[old] * 2**20 >= VALUES[new] and VALUES[old] > 0
        for relation in ("≤ {}", "in [-1, {}]"):
            assert follows(relation, old, new) is near, (relation, old, new)
        assert follows("and T = {}", old, new) is (old == new)


def test_rounding_of_another_machine_is_no_millionth_of_that_found_here() -> None:
    for old, new, near in (
        ("1", "1048576", True),
        ("1", "1048577", False),
        ("0", "0", True),
        ("0", "1", False),
    ):
        words = "gap of the float w ≤ {}"
        assert implication.words_follow(words.format(old), words.format(new), handed_out=True) is near


@pytest.mark.parametrize(
    ("words", "is_open"),
    [
        ("rounded to multiples of {}", True),
        ("no finer than the spacing {} of floats", True),
        ("σ raised from {}", True),
        ("σ = {} of the float w_unlearned", True),
        ("σ = {} of something else", False),
        ("gap ≤ {} beside that of the float w", False),
        ("gap of the float w is {}", False),
    ],
)
def test_which_numbers_depend_on_floats_that_are_handed_out(words: str, is_open: bool) -> None:
    stated, proved = words.format(1), words.format(2)
    assert implication.words_follow(stated, proved, handed_out=True) is is_open
    assert not implication.words_follow(stated, proved)


def finding(lower: str, upper: str, grade: str, kind: str, what: str = "gap") -> dict[str, Any]:
    return {"lower": lower, "upper": upper, "grade": grade, "kind": kind, "what": what}


@pytest.mark.parametrize("kind", ["output", "audit"])
@pytest.mark.parametrize("grade", ["CERTIFIED", "MEASURED"])
def test_an_enclosure_is_possible_in_its_order_and_no_smaller_than_rounding_leaves(
    grade: str, kind: str
) -> None:
    for low, high, there in product(SMALL, SMALL, SMALL):
        least, most, near = (VALUES[text] for text in (low, high, there))
        ordered = least <= most and (grade == "CERTIFIED" or least == most)
        length = most * 2**20 >= near and (most > 0 or near == 0)
        for what, enough in (("gap", length), ("δ at ε = 1", most > 0)):
            wanted = ordered and (kind != "output" or (least >= 0 and enough))
            stated, found = finding(low, high, grade, kind, what), finding("0", there, grade, kind, what)
            assert implication.possible(stated, found) is wanted, (low, high, there, what)
    assert not implication.possible(finding("nan", "1", grade, kind), finding("0", "1", grade, kind))
