"""Auditing what a file holds on data that are in another one, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from muso_theory.data import read_artefacts, read_start
from muso_theory.errors import BadInputError
from muso_theory.evidence import Verdict
from muso_theory.inputs import Source, prepare
from tests.running import IDENTITY, small, write
from verification.commands import muso

MAP = ("--n-features", 40)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.standard_normal((24, 3)), columns=["a", "b", "c"])
    frame["y"] = frame["a"] * frame["b"]
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def rows(answer: Any) -> dict[str, str]:
    return {entry["row"]: entry["verdict"] for entry in json.loads(answer.out)["evidence"]}


def altered(path: Path, **changes: Any) -> Path:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return write(path.with_name("altered.npz"), arrays | changes)


def test_what_unlearn_writes_is_audited_on_the_table_and_its_damage_is_seen(
    table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.npz"
    assert muso("unlearn", table, *MAP, "--test", 0.2, "-o", out).status == 0
    asked = ("check", table, *MAP, "--claim", "exact-labels", "--json", "-", "--audit")
    found = muso(*asked, out)
    assert found.status == 0, found.err
    assert rows(found)["exact-labels[w_unlearned]"] == rows(found)["exact-labels[labels]"] == "CERTIFIED"
    told = {row["word"]: row for row in json.loads(found.out)["input"]["understood"]}
    assert told["audited"]["value"] == "labels, w_unlearned, w_init of out.npz"
    assert told["forget"]["value"].startswith("given by out.npz: 2 of 24")
    assert told["trained on"]["value"] == "20 of 24 samples, as out.npz says"
    assert told["w₀"]["how"] == told["forget"]["how"] == "given"
    with np.load(out) as archive:
        w = archive["w_unlearned"] + 1e-3
    damaged = muso(*asked, altered(out, w_unlearned=w))
    assert damaged.status == 1
    assert rows(damaged)["exact-labels[w_unlearned]"] == "REFUTED"
    assert rows(damaged)["exact-labels[labels]"] == rows(damaged)["exact-labels"] == "CERTIFIED"


def test_what_labels_writes_is_audited_and_repeated(table: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "labels.npz", tmp_path / "report.json"
    assert muso("labels", table, *MAP, "-o", out).status == 0
    asked = ("check", table, *MAP, "--claim", "exact-labels", "--audit")
    assert muso(*asked, out, "--json", report).status == 0
    assert muso("recheck", report, table).status == 0
    with np.load(out) as archive:
        labels = archive["labels"] + 1
    wrong = muso(*asked, altered(out, labels=labels))
    assert wrong.status == 1
    assert "For w₀ = 0, which was assumed:" in " ".join(wrong.out.split())


def test_a_start_from_a_file(table: Path, tmp_path: Path) -> None:
    start = np.random.default_rng(0).standard_normal(40)
    np.save(tmp_path / "w0.npy", start)
    made = prepare(Source(str(table), n_features=40, w_init=str(tmp_path / "w0.npy"))).problem
    assert made.w_init is not None
    assert made.w_init.tolist() == start.tolist()
    np.save(tmp_path / "short.npy", start[:7])
    for words, why in (
        ("uniform", "zero, normal or an .npy file"),
        ("none.npy", "no such file"),
        (str(tmp_path / "short.npy"), r"w_init of shape \(40,\)"),
    ):
        with pytest.raises(BadInputError, match=why):
            prepare(Source(str(table), n_features=40, w_init=words))
    with pytest.raises(BadInputError, match="begins at its own parameters"):
        prepare(Source("digits", network="mlp:64-8-1:erf", w_init="normal"))
    assert read_start(str(tmp_path / "w0.npy")).shape == (40,)


@pytest.mark.parametrize(
    ("arrays", "options", "why"),
    [
        ({"w_unlernt": np.ones(40)}, {}, "try 'w_unlearned'"),
        ({"forget": [1]}, {}, "labels or w_unlearned or w_pretrained"),
        ({"w_unlearned": np.ones(40)}, {}, "the forget set of what is audited"),
        ({"w_unlearned": np.ones(39), "forget": [1]}, {}, "--n-features"),
        ({"w_unlearned": np.full(40, np.nan), "forget": [1]}, {}, "finite"),
        ({"labels": [1.0]}, {}, "the forget set of what is audited"),
        ({"labels": [1.0, 2.0], "forget": [3, 1]}, {}, "increasing order"),
        ({"labels": [1.0], "forget": [24]}, {}, "from 0 to 23"),
        ({"labels": [1.0], "forget": [3]}, {"forget": "rows:4"}, "made to forget 3"),
        ({"labels": [1.0], "forget": [3], "trained_on": [0, 1, 2]}, {}, "were not trained on"),
        ({"labels": [1.0, 2.0], "forget": [3]}, {}, r"labels of shape \(1,\)"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    table: Path, tmp_path: Path, arrays: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    file = write(tmp_path / "given.npz", arrays)

    def audited() -> None:
        made = prepare(Source(str(table), n_features=40, audit=str(file), **options))
        made.problem.label_columns(made.audited["labels"])

    with pytest.raises(BadInputError, match=why):
        audited()


def test_one_thing_from_two_files_is_refused(tmp_path: Path) -> None:
    phi = np.random.default_rng(0).standard_normal((6, 9))
    data = write(tmp_path / "d.npz", {"features": phi, "y": phi[:, 0], "forget": [1], "w_init": np.ones(9)})
    given = write(tmp_path / "g.npz", {"w_unlearned": np.ones(9), "w_init": np.zeros(9)})
    with pytest.raises(BadInputError, match=r"w_init from one file.*in d.npz and in g.npz"):
        prepare(Source(str(data), audit=str(given)))
    given = write(tmp_path / "g.npz", {"w_unlearned": np.ones(9)})
    assert prepare(Source(str(data), audit=str(given))).problem.w_init is not None


def test_all_rows_are_a_set_of_rows(tmp_path: Path) -> None:
    file = write(tmp_path / "g.npz", {"w_unlearned": np.ones(9), "trained_on": np.arange(5)})
    trained_on = read_artefacts(file, 5).trained_on
    assert trained_on is not None
    assert trained_on.tolist() == [0, 1, 2, 3, 4]


def test_no_output_goes_over_what_is_audited(table: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "g.npz", {"w_unlearned": np.ones(40)})
    before = file.read_bytes()
    assert muso("check", table, *MAP, "--audit", file, "--json", file, "--force").status == 2
    assert file.read_bytes() == before


def test_a_certificate_of_weights_that_did_nothing_promises_nothing(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "none.npz"
    muso("unlearn", table, *MAP, "--method", "none", "-o", out)
    answer = muso("check", table, *MAP, "--audit", out, "--claim", "removal-certificate", "--json", "-")
    report = json.loads(answer.out)
    row = next(e for e in report["evidence"] if e["row"] == "removal-certificate[w_unlearned]")
    assert row["verdict"] == Verdict.CERTIFIED.name
    assert "the less noise, the better" in row["meaning"]


def test_unlearning_with_a_map_that_read_what_is_forgotten_says_so(table: Path) -> None:
    clean, told = (muso("unlearn", table, *MAP, "--fit-map", samples) for samples in ("retain", "all"))
    assert (clean.status, told.status) == (0, 3)
    assert "map-free-of-forget" in told.out
    assert "map-free-of-forget" not in clean.out


@pytest.mark.parametrize(
    ("made", "asked", "cure"),
    [
        (("--seed", 5), (), "--seed 5"),
        (("--bandwidth", 2), (), "--bandwidth 2"),
        (("--standardize",), (), "--standardize"),
        ((), ("--standardize",), "leaving out --standardize"),
        (("--drop", "c"), (), "--drop c"),
    ],
)
def test_what_was_made_for_another_problem_is_not_blamed(
    table: Path, tmp_path: Path, made: tuple[object, ...], asked: tuple[object, ...], cure: str
) -> None:
    out = tmp_path / "out.npz"
    assert muso("labels", table, *MAP, *made, "-o", out).status == 0
    with_claim = ("--claim", "exact-labels", "--audit", out)
    other = muso("check", table, *MAP, *asked, *with_claim)
    assert (other.status, other.out) == (2, "")
    assert (
        f"the problem of out.npz but got {cure.split()[-2 if ' ' in cure and 'out' not in cure else -1][2:]}"
        in other.err
    )
    assert f"try {cure}" in other.err
    assert muso("check", table, *MAP, *made, *with_claim).status == 0


def test_other_data_are_noticed(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    muso("labels", table, *MAP, "-o", out)
    table.write_text(table.read_text().replace("0.", "1.", 1))
    answer = muso("check", table, *MAP, "--claim", "exact-labels", "--audit", out)
    assert answer.status == 2
    assert "other data than these" in answer.err


def test_labels_tell_the_contract(table: Path, tmp_path: Path) -> None:
    answer = muso("labels", table, *MAP, "-o", tmp_path / "l.npz")
    assert "column y, by its name" in answer.out
    assert "zero, assumed" in answer.out


def test_headings_are_whole_however_short_the_names_below(tmp_path: Path) -> None:
    data = write(tmp_path / "data.npz", small())
    labels = tmp_path / "labels.npz"
    assert muso("labels", data, *IDENTITY, "-o", labels).status == 0
    told = muso("check", data, *IDENTITY, "--audit", labels, "--claim", "exact-labels").out
    for heading in ("Audit of what was given  ", "Floats handed out  "):
        assert heading in told
    assert "…" not in "".join(line for line in told.splitlines() if line.startswith("Verdict "))
