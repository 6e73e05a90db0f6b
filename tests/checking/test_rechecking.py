"""A stored report is computed again; whatever was tampered with is found."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.report import digest
from muso_theory.commands.cli import main
from muso_theory.commands.repeat import recheck


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("recheck")
    rng = np.random.default_rng(0)
    data = folder / "data.npz"
    np.savez(data, features=rng.standard_normal((12, 30)), y=rng.standard_normal(12), forget=[2, 5])
    report = folder / "report.json"
    with pytest.raises(SystemExit) as ended:
        main(["check", str(data), "--json", str(report)])
    assert ended.value.code == 0
    return report, data


def numbers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers of a report are."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from numbers(value, (*path, i))
    elif path[-1] in ("lower", "upper", "bound", "limit") and node is not None:
        yield path


def changed(document: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    node = copied
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return copied


def test_an_honest_report_stands(stored: tuple[Path, Path]) -> None:
    report, data = stored
    result = recheck(report, str(data), independent=True)
    assert result.mismatches == ()
    rows = json.loads(report.read_text())["evidence"]
    assert result.identical == len(rows)
    assert result.independent >= sum(row["about"] != "output" for row in rows) - 1


def test_the_order_of_the_keys_of_a_report_says_nothing(stored: tuple[Path, Path], tmp_path: Path) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(each) for each in value] if isinstance(value, list) else value

    report, data = stored
    document = json.loads(report.read_text())
    other = turned(document)
    assert json.dumps(other) != json.dumps(document)
    assert digest(other) == digest(document) == document["digest"]
    assert digest({**document, "digest": ""}) == document["digest"]
    for key in {*document, "added"} - {"digest"}:
        assert digest({**document, key: "another"}) != document["digest"], key
    # The order of a list says something.
    assert digest({**document, "evidence": document["evidence"][::-1]}) != document["digest"]
    (tmp_path / "turned.json").write_text(json.dumps(other))
    assert recheck(tmp_path / "turned.json", str(data)).mismatches == ()


def test_other_data_are_noticed(stored: tuple[Path, Path], tmp_path: Path) -> None:
    report, data = stored
    content = dict(np.load(data))
    content["y"] = content["y"] + 1
    other = tmp_path / "other.npz"
    np.savez(other, **content)
    assert any("data_sha256" in line for line in recheck(report, str(other)).mismatches)


@pytest.mark.slow
def test_every_single_number_is_protected(stored: tuple[Path, Path], tmp_path: Path) -> None:
    """Each number changed alone: the digest notices; with a forged digest the repetition does, if it is off by more
    than what rounding explains."""
    report, _ = stored
    document = json.loads(report.read_text())
    places = list(numbers(document))
    assert len(places) > 100
    prepared = []
    for path in places:
        node: Any = document
        for key in path:
            node = node[key]
        value = str(node)
        prepared.append((path, repr(float(eval(value)) * 1e6 + 1.0)))
    from muso_theory.checking.rechecking import compare
    from muso_theory.checking.run import check
    from muso_theory.inputs import Source, prepare

    source = Source(**document["settings"]["source"])
    made = prepare(source)
    fresh = made.describe(check(made.problem, seed=0))
    assert compare(document, fresh).mismatches == ()
    for path, value in prepared:
        tampered = changed(document, path, value)
        assert compare(tampered, fresh).mismatches, path
        tampered["digest"] = digest(tampered)
        assert compare(tampered, fresh).mismatches, path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "PROVED"),
        (("evidence", 3, "verdict"), "PROVED"),
        (("evidence", 3, "arithmetic"), "rational"),
        (("evidence", 13, "findings", 0, "what"), "‖w‖"),
        (("evidence", 13, "findings", 0, "grade"), "PROVED"),
        (("evidence", 13, "findings"), []),
        (("input", "n"), 13),
    ],
)
def test_words_are_protected_too(stored: tuple[Path, Path], tmp_path: Path, path: Any, value: object) -> None:
    report, data = stored
    tampered = changed(json.loads(report.read_text()), path, value)
    tampered["digest"] = digest(tampered)
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(tampered))
    assert recheck(forged, str(data)).mismatches


def elsewhere(kernel: str, threads: int) -> dict[str, str]:
    return {**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": str(threads)}


def repeated_in(environment: dict[str, str], report: Path, data: Path) -> list[Any]:
    """Recheck in the very process that is started, whatever kernel the report names."""
    code = (
        "import json, sys; from pathlib import Path; from muso_theory.commands.repeat import repeat;"
        "from muso_theory.checking.rechecking import parse_report;"
        "found = repeat(parse_report(Path(sys.argv[1]).read_text(encoding='utf-8'), 'r'), sys.argv[2]);"
        "print(json.dumps([found.mismatches, found.identical, found.implied, found.unchecked, found.unsettled]))"
    )
    words = [sys.executable, "-c", code, str(report), str(data)]
    done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "read"), [(("Prescott", 1), ("Haswell", 2)), (("Haswell", 2), ("Prescott", 1))]
)
def test_an_honest_report_from_another_kernel_stands(
    made: tuple[str, int], read: tuple[str, int], tmp_path: Path
) -> None:
    """Repeated in the kernel of the report it is identical; without that kernel, what it says follows."""
    rng = np.random.default_rng(2)
    data, report = tmp_path / "data.npz", tmp_path / "report.json"
    np.savez(data, features=rng.random((30, 64)), y=rng.standard_normal(30), forget=[2, 5, 11])
    muso = [sys.executable, "-m", "muso_theory"]
    check = [*muso, "check", str(data), "--json", str(report)]
    subprocess.run(check, env=elsewhere(*made), capture_output=True, check=True)
    again = [*muso, "recheck", str(report), str(data)]
    done = subprocess.run(again, env=elsewhere(*read), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout
    rows = len(json.loads(report.read_text(encoding="utf-8"))["evidence"])
    mismatches, identical, implied, unchecked, unsettled = repeated_in(elsewhere(*read), report, data)
    assert mismatches == []
    # Nothing but the floats that were handed out is left open, where the kernels differ at all.
    assert identical + implied + unsettled == rows
    assert all("[output]]" in leaf for leaf in unchecked)


@pytest.mark.slow
def test_features_from_another_kernel_are_computed_in_that_kernel(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = [
        "digits",
        "--classes",
        "3,7",
        "--n-features",
        "500",
        "--claim",
        "exact-labels",
        "--json",
        str(report),
    ]
    muso = [sys.executable, "-m", "muso_theory"]
    subprocess.run([*muso, "check", *words], env=elsewhere("Prescott", 1), capture_output=True, check=True)
    again = [*muso, "recheck", str(report), "digits"]
    done = subprocess.run(
        again, env=elsewhere("Haswell", 2), capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout


def written_again(document: dict[str, Any], folder: Path) -> Path:
    """A forged report, with the digest of what it says now."""
    document["digest"] = digest(document)
    forged = folder / "forged.json"
    forged.write_text(json.dumps(document), encoding="utf-8")
    return forged


def first_finding(document: dict[str, Any], row: str) -> tuple[dict[str, Any], dict[str, Any]]:
    entry = next(entry for entry in document["evidence"] if entry["row"] == row)
    return entry, entry["findings"][0]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["Nehalem", "Prescott"])
def test_a_kernel_that_is_here_excuses_no_other_digit(
    kernel: str, stored: tuple[Path, Path], tmp_path: Path
) -> None:
    """A report names the kernel as OpenBLAS does, each release by its own names, so one of that kernel is forged."""
    _, data = stored
    report = tmp_path / "report.json"
    muso = [sys.executable, "-m", "muso_theory"]
    words = [*muso, "check", str(data), "--claim", "exact-labels", "--json", str(report)]
    subprocess.run(words, env=elsewhere(kernel, 1), capture_output=True, check=True)
    assert recheck(report, str(data)).mismatches == ()
    document = json.loads(report.read_text(encoding="utf-8"))
    row, finding = first_finding(document, "exact-labels")
    # It is true, and by less than what kernels differ by: other arithmetics prove it.
    row["bound"] = finding["upper"] = repr(float(finding["upper"]) / 2.8)
    found = recheck(written_again(document, tmp_path), str(data)).mismatches
    assert any(line.startswith("evidence[exact-labels].findings[0].upper: ") for line in found), found
    document["versions"]["numpy"] = "0"
    found_elsewhere = recheck(written_again(document, tmp_path), str(data))
    assert found_elsewhere.mismatches == ()
    assert "exact-labels" in found_elsewhere.implied_rows


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.01, 0.99])
@pytest.mark.parametrize("kernel", ["Katmai", "Nehalem", "Nobodys"])
def test_a_forged_kernel_excuses_no_false_bound(
    kernel: str, factor: float, stored: tuple[Path, Path], tmp_path: Path
) -> None:
    """‖w_p − w_r‖, of which the limit is a millionth, is positive and known to twelve digits or more."""
    report, data = stored
    document = json.loads(report.read_text(encoding="utf-8"))
    limit = first_finding(document, "exact-labels")[1]["limit"]
    assert 0 < float(limit["upper"]) < (1 + 1e-12) * float(limit["lower"])
    limit["lower"] = limit["upper"] = repr(factor * float(limit["upper"]))
    document["versions"]["blas"] = re.sub(
        r"(openblas \S+) \w+", rf"\1 {kernel}", document["versions"]["blas"]
    )
    found = recheck(written_again(document, tmp_path), str(data)).mismatches
    wrong = "lower" if factor > 1 else "upper"
    assert any(line.startswith(f"evidence[exact-labels].findings[0].limit.{wrong}: ") for line in found), (
        found
    )


def test_a_wrong_label_stays_refuted(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    phi, y = rng.standard_normal((8, 20)), rng.standard_normal(8)
    data, report = tmp_path / "d.npz", tmp_path / "r.json"
    np.savez(data, features=phi, y=y, forget=[1, 2], labels=np.zeros(2))
    with pytest.raises(SystemExit) as ended:
        main(["check", str(data), "--json", str(report)])
    assert ended.value.code == 1
    assert recheck(report, str(data), independent=True).mismatches == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", "JSON text"),
        ("[]", "expected a report"),
        ('{"schema": 4, "title": "tr', "JSON text"),
        ('{"schema": 4, "schema": 4}', "'schema' occurs twice"),
        ('{"schema": NaN}', "NaN is not JSON"),
        ('{"schema": ' + "9" * 5000 + "}", "JSON text"),
        ("[" * 100_000, "JSON text"),
        ('{"schema": true, "evidence": []}', "schema version 4"),
        ('{"schema": 99, "evidence": [{}]}', "schema version 4"),
        ('{"schema": 4, "settings": {}, "input": {}, "evidence": []}', "versions is missing"),
        (
            '{"schema": 4, "versions": {}, "settings": {}, "input": {}, "evidence": []}',
            "at least one piece of",
        ),
        ('{"schema": 4, "versions": {}, "settings": {}, "input": {}, "evidence": [{}]}', "muso check"),
    ],
)
def test_bad_reports(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(mt.MusoError, match=words):
        recheck(path, "digits")
    with pytest.raises(mt.MusoError, match="readable file"):
        recheck(tmp_path / "absent.json", "digits")


CERTIFICATE = "removal-certificate"


@pytest.fixture(scope="module")
def certificate() -> tuple[Any, dict[str, Any]]:
    """A fresh certificate, and the same report as if of another processor."""
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.standard_normal((4, 6)), rng.standard_normal(4), [1])
    fresh = mt.check(problem, [CERTIFICATE, "exact-labels"])
    document = json.loads(fresh.to_json())
    document["versions"]["blas"] = "openblas Zen"
    return fresh, document


def edited(document: dict[str, Any], row: str, change: Any) -> dict[str, Any]:
    """The report with one row changed, its digest computed again."""
    copied = copy.deepcopy(document)
    change(next(entry for entry in copied["evidence"] if entry["row"] == row))
    copied["digest"] = digest(copied)
    return copied


def replaced(key: str, old: str, new: str) -> Any:
    """Other words in every sentence of a row that has the old ones."""

    def change(row: dict[str, Any]) -> None:
        text = json.dumps(row[key], ensure_ascii=False)
        assert re.search(old, text), text
        row[key] = json.loads(re.sub(old, new, text))

    return change


def scaled(words: str, factor: float) -> Any:
    """The number behind some words of a fact times a factor, whatever this processor's kernel made of it."""

    def change(row: dict[str, Any]) -> None:
        found = [re.search(rf"{words}([\d.e-]+)", fact) for fact in row["facts"]]
        assert any(found), row["facts"]
        row["facts"] = [
            fact if at is None else f"{fact[: at.start(1)]}{float(at[1]) * factor:.3g}{fact[at.end(1) :]}"
            for fact, at in zip(row["facts"], found, strict=True)
        ]

    return change


def ends(with_bound: bool = True, **values: str) -> Any:
    """Other ends of the first finding, and the row's bound with them."""

    def change(row: dict[str, Any]) -> None:
        row["findings"][0].update(values)
        if with_bound and "upper" in values:
            row["bound"] = repr(float(values["upper"]))

    return change


def forged_noise(spacing: float) -> Any:
    """Noise, grid and spacing of floats that fit each other, and no data."""

    def change(row: Any) -> None:
        row["findings"][0]["what"] = re.sub(
            r"σ = [\d.]+", f"σ = {1024 * spacing * 1.01:.2g}", row["findings"][0]["what"]
        )
        facts = [re.sub(r"multiples of [\d.]+", f"multiples of {spacing:.3g}", fact) for fact in row["facts"]]
        row["facts"] = [re.sub(r"the spacing [\d.]+", f"the spacing {spacing:.2g}", fact) for fact in facts]

    return change


def test_a_certificate_from_elsewhere_stands(certificate: tuple[Any, dict[str, Any]]) -> None:
    from muso_theory.checking.rechecking import compare

    fresh, document = certificate
    assert compare(edited(document, CERTIFICATE, lambda row: None), fresh).mismatches == ()


@pytest.mark.parametrize(
    ("row", "change"),
    [
        # A bound that its verdict does not follow from, where the honest one lies an ulp above its limit.
        (CERTIFICATE, ends(upper="1")),
        (CERTIFICATE, ends(upper="1.0000001e-05")),
        (CERTIFICATE, ends(with_bound=False, upper="9e-06")),
        # Enclosures that no distance and no δ has.
        (f"{CERTIFICATE}[output]", ends(lower="1")),
        (f"{CERTIFICATE}[output]", ends(upper="-1")),
        (f"{CERTIFICATE}[output]", ends(upper="0")),
        (f"{CERTIFICATE}[output]", ends(upper="1")),
        (f"{CERTIFICATE}[output]", ends(lower="-1")),
        (f"{CERTIFICATE}[output]", ends(with_bound=False, upper="1e-300")),
        ("exact-labels[output]", ends(lower="1")),
        ("exact-labels[output]", ends(upper="1e-300")),
        # Lengths of rounding that no order of the same roundings has, and noise that no stated gap needs.
        ("exact-labels[output]", ends(lower="0", upper="5e-324")),
        (f"{CERTIFICATE}[output]", scaled("w_unlearned ≤ ", 1e-280)),
        (f"{CERTIFICATE}[output]", forged_noise(2.0**-1000)),
        (f"{CERTIFICATE}[output]", scaled("w_unlearned ≤ ", 1.3)),
        # Numbers that no kernel changes.
        (f"{CERTIFICATE}[output]", replaced("findings", "ε = 1", "ε = 3")),
        (f"{CERTIFICATE}[output]", replaced("facts", "δ = 1e-05", "δ = 1e-06")),
        (f"{CERTIFICATE}[output]", replaced("facts", r"multiples of [\d.]+", "multiples of 3")),
        (f"{CERTIFICATE}[output]", replaced("facts", r"the spacing [\d.]+", "the spacing 3")),
        (f"{CERTIFICATE}[output]", replaced("findings", r"σ = [\d.]+", "σ = 1")),
        # What is proved of the data follows in one direction only.
        ("exact-labels[output]", replaced("facts", r"≥ [\d.]+", "≥ 0.57")),
        (CERTIFICATE, replaced("facts", r"needs σ ≥ [\d.]+", "needs σ ≥ 2.16")),
        (f"{CERTIFICATE}[output]", replaced("facts", r"needs σ ≥ [\d.]+", "needs σ ≥ 2.16")),
        (CERTIFICATE, replaced("findings", r"σ = [\d.]+", "σ = 0.1")),
    ],
)
def test_what_a_certificate_from_elsewhere_may_not_say(
    certificate: tuple[Any, dict[str, Any]], row: str, change: Any
) -> None:
    from muso_theory.checking.rechecking import compare

    fresh, document = certificate
    found = compare(edited(document, row, change), fresh).mismatches
    assert any(line.startswith(f"evidence[{row}]") for line in found), found


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (f"{CERTIFICATE}[output]", ends(upper="1e-300")),
        (f"{CERTIFICATE}[output]", ends(upper="1e-05")),
        (f"{CERTIFICATE}[output]", scaled("w_unlearned ≤ ", 0.9)),
        (f"{CERTIFICATE}[output]", scaled("raised from ", 1.1)),
        ("exact-labels[output]", replaced("facts", r"≥ [\d.]+", "≥ 0.1")),
        (CERTIFICATE, replaced("facts", r"needs σ ≥ [\d.]+", "needs σ ≥ 0.5")),
        (CERTIFICATE, replaced("findings", r"σ = [\d.]+", "σ = 9")),
    ],
)
def test_what_another_kernel_may_have_said_stands(
    certificate: tuple[Any, dict[str, Any]], row: str, change: Any
) -> None:
    from muso_theory.checking.rechecking import compare

    fresh, document = certificate
    found = compare(edited(document, row, change), fresh)
    assert found.mismatches == ()
    # what nobody can check here is not counted as following from anything
    assert (found.implied, found.unsettled) == ((0, 1) if row == f"{CERTIFICATE}[output]" else (1, 0))


@pytest.mark.parametrize("kernel", ["Atom", "Zen"])
def test_another_kernel_is_asked_for_however_its_name_sorts(kernel: str) -> None:
    from muso_theory.machine import blas_environment, versions

    for blas in ("a", "~"):
        stated = {"blas": f"{blas}openblas 9.9 {kernel}", "blas threads": "2"}
        wanted = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": "2"}
        assert blas_environment(stated) == wanted
    for threads, may in (("1", True), ("1024", True), ("1025", False)):
        assert (
            blas_environment({"blas": f"openblas 9.9 {kernel}", "blas threads": threads}) is not None
        ) is may
    here = versions()
    for threads in ("0", "99999999", "-1", "1.5", "٣", ""):
        assert blas_environment({**here, "blas threads": threads}) is None or threads == here["blas threads"]
