"""What a terminal shows of a result is all that the result holds, and nothing that it does not."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muso_theory.algebra.checker import CheckResult
from muso_theory.checking.rechecking import NOT_CHECKED, Recheck
from muso_theory.claims.theorems.library import Proof
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.claims.theorems.writing import load_certificate
from muso_theory.commands import terminal, unlearn
from muso_theory.errors import BadInputError
from tests import ROOT


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, in one line: where a table breaks it is a matter of its width."""
    return " ".join(capsys.readouterr().out.split())


STANDS = Recheck(mismatches=(), identical=7, implied_rows=())
PARTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "mismatches": (
        {"mismatches": ("x: 1 is not 2", "y: gone")},
        ("x: 1 is not 2", "y: gone", "2 mismatches"),
    ),
    "implied": ({"implied_rows": ("a", "b")}, ("2 with other digits that follow", "(a, b)")),
    "unsettled": ({"unsettled": 3}, ("3 with digits that cannot be checked on this machine",)),
    "independent": ({"independent": 4}, ("4 confirmed by another arithmetic",)),
    "unchecked": ({"unchecked": ("gap", "w")}, ("another machine handed out: gap, w",)),
}


@pytest.mark.parametrize(
    "there", [c for n in range(6) for c in itertools.combinations(PARTS, n)], ids="+".join
)
def test_a_recheck_tells_what_it_found_and_no_more(
    there: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found = STANDS
    for name in there:
        found = replace(found, **PARTS[name][0])
    terminal.show_recheck(Path("r.json"), found)
    words = said(capsys)
    assert "7 rows identical" in words
    for name, (_, told) in PARTS.items():
        assert all((part in words) is (name in there) for part in told), (name, words)
    assert all(f"not checked: {leaf}, {why}" in words for leaf, why in NOT_CHECKED.items())
    assert ("r.json does not stand" in words) is ("mismatches" in there)
    as_far = "unsettled" in there and "mismatches" not in there
    assert ("stands as far as it can be checked here" in words) is as_far


def test_a_recheck_of_a_part_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_recheck(Path("r.json"), replace(STANDS, interrupted="3 of 9 claims"))
    assert "r.json stands, as the part of a check that was interrupted (3 of 9 claims): 7 rows" in said(
        capsys
    )


@pytest.mark.parametrize("reason", [None, "", "a step is missing"])
def test_proofs_are_told_with_what_is_beyond_algebra_and_with_the_checker_s_word(
    reason: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    slugs = ("exact-labels", "adaptive-optimizer", "convex-loss")
    folder = ROOT / "proofs" / "certificates"
    proofs = [Proof(slug, load_certificate(folder / f"{slug}.json")) for slug in slugs]  # type: ignore[arg-type]
    results = {slug: CheckResult(not reason, reason or "", slug, ()) for slug in slugs}
    terminal.show_proofs(proofs, {} if reason is None else results)
    words = said(capsys)
    for proof in proofs:
        assert f"{proof.slug} {proof.status} " in words
        assert proof.hash[:16] in words
        for remains in theorem_status(proof.slug).beyond:
            assert f"{proof.slug}, beyond algebra: {remains}" in words
    assert words.count("beyond algebra") == sum(len(theorem_status(slug).beyond) for slug in slugs) > 1
    assert words.count("accepted") == (3 if reason == "" else 0)
    assert words.count("rejected: a step is missing") == (3 if reason else 0)


def test_a_sweep_tells_medians_and_how_many_seeds_say_what(capsys: pytest.CaptureFixture[str]) -> None:
    def row(value: float, seed: int, **numbers: Any) -> dict[str, Any]:
        return {"value": value, "seed": seed, **numbers}

    rows = [
        row(1.0, seed, series="label-free", gap=gap, **{"gap, bound": 2 * gap, "verdict": verdict})
        | {"promise": "label-free", "why": "" if verdict == "PROVED" else "D < n"}
        for seed, gap, verdict in ((0, 5.0, "PROVED"), (1, 1.0, "PROVED"), (2, 3.0, "VACUOUS"))
    ]
    rows += [row(1.0, seed, series="none", gap=9.0, promise="none") for seed in range(3)]
    rows += [row(2.0, seed, series="label-free", failed="too large") for seed in range(2)]
    rows += [row(2.0, 2, series="label-free", gap=4.0, **{"no attack": "too few"})]
    terminal.show_sweep({"axis": "ridge", "rows": rows})
    words = said(capsys)
    first, second = words.split("ridge 1 ")[1].split("ridge 2 ")
    assert "label-free gap 3 (proved ≤ 6)" in first
    assert "label-free PROVED (2 of 3 seeds); label-free VACUOUS (1 of 3 seeds): D < n" in first
    assert "none (doing nothing) gap 9 promises nothing" in first
    assert "label-free gap 4 refused (2 of 3 seeds): too large" in second
    assert "Each number is the median of 3 seeds." in second
    assert "No attack at 2: too few." in second
    terminal.show_sweep({"axis": "ridge", "rows": [row(1.0, 0, series="none", gap=9.0)]})
    assert "Each number is of one seed." in said(capsys)


@pytest.mark.parametrize("numbers", [{}, {"gap": 2.0}])
@pytest.mark.parametrize("promise", [{}, {"promise": "none"}])
def test_a_sweep_has_no_empty_line_where_nothing_is_said(
    numbers: dict[str, float], promise: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"value": 1.0, "seed": 0, "series": "none", **numbers, **promise}
    terminal.show_sweep({"axis": "ridge", "rows": [row]})
    _, _, *lines = capsys.readouterr().out.splitlines()  # an empty line, and the value
    told = lines[: lines.index("")]
    assert len(told) == max(1, len(numbers) + len(promise))
    assert all(line.strip() for line in told)


@pytest.mark.parametrize("words", ["", "=", "x", "x=", "=3", "3"])
def test_a_setting_is_a_name_and_a_value(words: str) -> None:
    with pytest.raises(BadInputError, match="expected NAME=VALUE"):
        unlearn._setting(words)
    assert unlearn._setting("a-b = 1e-3") == ("a_b", 1e-3)
    assert unlearn._setting("x=word") == ("x", "word")
    assert unlearn._setting("x=a=b") == ("x", "a=b")
