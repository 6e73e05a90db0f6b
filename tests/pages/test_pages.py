"""The report page: what it says is what the report and the problem say; it is whole, safe and the same every time."""

from __future__ import annotations

import base64
import csv
import io
import re
import shlex
from collections import Counter
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import plots
from muso_theory.checking.report import Report
from muso_theory.checking.summary import sentence
from muso_theory.evidence import NOTHING, Evidence, Identity, Inequality, Scope, Verdict
from muso_theory.markup import Markup, join, mathematics, tag
from muso_theory.numbers import Quantity
from muso_theory.pages import details, draw_figures, report_page
from tests.zoo import ZOO
from verification.commands import muso


class Page(HTMLParser):
    """Ids, links and open elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: Counter[str] = Counter()
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[name] += 1
        given = dict(attributes)
        if "id" in given:
            self.ids.append(given["id"] or "")
        self.links += [given[key] or "" for key in ("href", "src") if key in given]


def written(name: str = "over-parameterised", **options: object) -> tuple[mt.UnlearningProblem, Report, str]:
    problem = ZOO[name]()
    report = mt.check(problem, **options)  # type: ignore[arg-type]
    return problem, report, report_page(report, details(problem, report))


@pytest.mark.parametrize("name", ["over-parameterised", "under-parameterised"])
def test_page_is_whole(name: str) -> None:
    _, report, text = written(name)
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert all(link.startswith(("#", "data:text/csv")) for link in page.links)
    assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?:|url\((?!#)|@import", text)
    for needed in ("header", "main", "footer", "nav"):
        assert page.tags[needed] == 1
    assert page.tags["table"] == page.tags["caption"]
    assert page.tags["svg"] == 2 == text.count('role="img"')
    for slug, e in report.items():
        assert f"<code>{slug}</code>" in text
        assert e.meaning.split("_")[0].split("<")[0] in text
    assert text == written(name)[2]


def test_the_checks_of_a_page_can_fail() -> None:
    page = Page('<a href="#nowhere"></a><p id="x"></p><p id="x"></p><img src="https://example.org">')
    assert len(page.ids) != len(set(page.ids))
    assert "nowhere" not in page.ids
    assert page.tags["img"] == 1


@pytest.mark.parametrize("name", ["over-parameterised", "under-parameterised"])
def test_labels_and_gaps_are_those_of_the_problem(name: str) -> None:
    problem, report, text = written(name)
    found = re.search(r'href="data:text/csv;base64,([^"]*)"', text)
    assert found
    head, *rows = csv.reader(io.StringIO(base64.b64decode(found[1]).decode()))
    outputs = problem.n_outputs
    assert len(head) == 1 + 2 * outputs
    read = np.array(rows, dtype=float)
    assert read[:, 0].tolist() == problem.forget.tolist()
    labels = mt.optimal_labels(problem).reshape(len(problem.forget), -1)
    assert np.array_equal(read[:, 1 + outputs :], labels)
    ladder = {rung.words: rung for rung in details(problem, report).ladder}
    nothing = mt.solve(problem).pretrained_gap
    assert ladder["doing nothing"].gap == pytest.approx(nothing)
    bound = report["exact-labels[output]"].bound
    exact = ladder["exact labels, as floats"]
    assert (exact.gap, exact.proved) == (bound, True)
    zeros = np.zeros_like(mt.optimal_labels(problem))
    assert ladder["all labels zero"].gap == mt.parameter_gap(problem, zeros)


def test_audited_labels_have_their_own_rung() -> None:
    problem = ZOO["over-parameterised"]()
    wrong = mt.optimal_labels(problem) + 1
    report = mt.check(problem, labels=wrong)
    found = details(problem, report, wrong)
    ladder = {rung.words: rung for rung in found.ladder}
    assert ladder["your labels"].gap == pytest.approx(mt.parameter_gap(problem, wrong))
    assert ladder["your labels"].gap == report["exact-labels[labels]"].bound
    assert ladder["exact labels, as floats"].gap == report["exact-labels[output]"].bound
    text = report_page(report, found)
    assert "the given labels: refuted" in text
    assert "your label" in found.columns[-1]


def made(*verdicts: Verdict, condition: bool = False) -> dict[str, Evidence]:
    one = {
        Verdict.PROVED: (Inequality("x", Quantity.exact(0)),),
        Verdict.CERTIFIED: (Inequality("x", Quantity.enclosure(0.0, 1e-9), bar=1e-6),),
        Verdict.MEASURED: (Inequality("x", Quantity.measured(0.0), bar=1e-6),),
        Verdict.REFUTED: (Inequality("x", Quantity.exact(1)),),
    }
    evidence = {}
    for i, verdict in enumerate(verdicts):
        failed = (("full-rank", "why"),) if verdict is Verdict.VACUOUS else ()
        findings = one.get(verdict, ())
        made = Evidence(f"c{i}", Scope.INSTANCE, findings, "rational", failed, is_condition=condition)
        assert made.verdict is verdict
        evidence[f"c{i}"] = made
    return evidence


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([Verdict.PROVED, Verdict.PROVED], "All 2 claims are proved."),
        ([Verdict.PROVED, Verdict.REFUTED], "1 of 2 claims (c1) is refuted; 1 of 2 claims is proved."),
        ([Verdict.VACUOUS], "The claim (c0) says nothing about this data."),
        (
            [Verdict.VACUOUS] * 5,
            "All 5 claims (c0, c1, c2, …) say nothing about this data.",
        ),
        (
            [Verdict.UNDECIDED, Verdict.MEASURED],
            "1 of 2 claims (c0) is undecided; 1 of 2 claims is measured.",
        ),
    ],
)
def test_the_sentence(verdicts: list[Verdict], said: str) -> None:
    assert sentence(list(made(*verdicts).values()), min(verdicts, key=list(Verdict).index)) == said


@pytest.mark.parametrize("claim", ["a", "cyclic-sgd", "exact-labels", "gap-formula", "zz"])
def test_the_sentence_begins_with_exact_labels_alone(claim: str) -> None:
    row = Evidence(claim, Scope.INSTANCE, (Identity("gap", Quantity.exact(0), NOTHING),), "rational")
    said = sentence([row], Verdict.PROVED)
    assert ("unlearns here" in said) is (claim == "exact-labels")
    assert said.endswith("he claim is proved.")


def test_the_sentence_names_a_condition_that_is_worse() -> None:
    bad = [made(Verdict.VACUOUS, condition=True)["c0"]]
    said = sentence([*bad, *made(Verdict.PROVED, Verdict.PROVED).values()], Verdict.VACUOUS)
    assert said == "All 2 claims are proved; the worst verdict, VACUOUS, is about c0."
    assert sentence(bad, Verdict.VACUOUS).startswith("The row (c0)")


def test_everything_is_escaped() -> None:
    evil = Evidence("<img>", Scope.INSTANCE, (Inequality("<b>‖", Quantity.exact(0)),), "<i>", facts=("<u>",))
    report = Report("<s>title", {"<img>": evil}, {"notes": ["<em>"]}, {"source": {"data": "<q> x"}})
    text = report_page(report)
    assert not re.search(r"<(img|b|i|u|s|q)>|<em>‖|<li><em>", text)
    assert tag("p", "<", title='"<') == '<p title="&quot;&lt;">&lt;</p>'
    assert join("<", Markup("<b>"), ["&"]) == "&lt;<b>&amp;"
    assert mathematics("<_F w_pretrained w_p") == "&lt;_F w_pretrained w<sub>p</sub>"


def test_a_page_without_numbers_says_why() -> None:
    report = mt.check(ZOO["over-parameterised"](), ["exact-labels"])
    assert "Not shown: too large." in report_page(report, missing="too large")


def test_command_repeats_the_report(tmp_path: Path) -> None:
    words = ("check", "digits", "--classes", "3,7", "--n-features", 80, "--forget", "random:9", "--seed", 3,
             "--subset", 0.5, "--claim", "downsampling", "--assert", "full-rank", "--standardize")  # fmt: skip
    page = tmp_path / "a b.html"
    first = muso(*words, "--html", page, "--json", "-")
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", page.read_text(encoding="utf-8"), flags=re.S)
    assert shown
    again = shlex.split(shown[1])
    assert again[0] == "muso"
    assert len(again) > 10
    assert muso(*again[1:], "--json", "-").out == first.out


def test_command_repeats_how_the_user_trains(tmp_path: Path) -> None:
    words = ("check", "digits", "--classes", "3,7", "--n-features", 80, "--forget", "random:9",
             "--optimizer", "momentum",
             "--lr", 0.001, "--epochs", 20, "--momentum", 0.8)  # fmt: skip
    first = muso(*words, "--html", tmp_path / "a.html", "--json", "-")
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", (tmp_path / "a.html").read_text(encoding="utf-8"), flags=re.S)
    assert shown
    assert muso(*shlex.split(shown[1])[1:], "--json", "-").out == first.out


@pytest.mark.slow
def test_figures_are_files_with_the_same_bytes(tmp_path: Path) -> None:
    words = ("check", "digits", "--classes", "3,7", "--n-features", 80, "--forget", "random:9")
    for folder in ("one", "two"):
        muso(*words, "--figures", tmp_path / folder)
    names = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert names == ["captions.txt", "gaps.pdf", "gaps.svg", "spectrum.pdf", "spectrum.svg"]
    for name in names:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two
        assert b"CreationDate" not in one


def test_figures_in_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here", encoding="utf-8")
    for target in ("file", "nowhere/figures"):
        answer = muso("check", "digits", "--figures", tmp_path / target)
        assert answer.status == 2
        assert "expected a" in answer.err
    assert (tmp_path / "file").read_text(encoding="utf-8") == "here"


def test_exact_and_extreme_numbers_have_a_page() -> None:
    rows = np.array([[Fraction(1, 3), 0, 1], [1, 1, 0], [2, 1, 1]], dtype=object)
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1])
    report = mt.check(problem, arithmetic="rational")
    found = details(problem, report)
    assert found.ladder[-1].gap == report["exact-labels[output]"].bound
    with plots.styled():
        drawn = draw_figures(found, report)
        assert all(len(plots.render(one, "pdf")) > 1000 for one, _ in drawn.values())
    assert "Relabelling by exact labels unlearns here: proved, " in report_page(report, found)


def test_style_is_a_pure_function() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    one = plots.style()
    one["font.size"] = 99
    assert plots.style()["font.size"] != 99
    with plots.styled():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before
    with pytest.raises(mt.BadInputError, match="neurips"):
        plots.style("neurip")


@pytest.mark.parametrize("name", ["over-parameterised", "under-parameterised"])
def test_without_a_bound_exact_labels_are_measured_between_two_models(name: str) -> None:
    problem = ZOO[name]()
    last = details(problem, mt.check(problem, ["full-rank"])).ladder[-1]
    assert (last.words, last.proved) == ("exact labels, as floats", False)
    # Rounding, and not the zero of labels held against themselves.
    assert last.gap == mt.solve(problem).parameter_gap > 0


def test_a_file_that_begins_with_a_dash_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("-f.npz", X=rng.standard_normal((8, 10)), y=rng.standard_normal(8), forget=np.arange(8) < 2)
    options = ("--features", "identity", "--claim", "exact-labels", "--json", "a.json", "--html", "a.html")
    assert muso("check", *options, "--", "-f.npz").status == 0
    (written,) = re.findall(r"<pre[^>]*>(.*?)</pre>", Path("a.html").read_text(encoding="utf-8"), re.S)
    assert muso(*shlex.split(written)[1:], "--json", "b.json").status == 0
    assert muso("recheck", "a.json", "./-f.npz").status == muso("recheck", "b.json", "./-f.npz").status == 0


def test_an_answer_is_not_written_over_the_data_or_another_answer(tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, X=np.eye(4), y=np.arange(4.0), forget=np.arange(4) < 1)
    before = data.read_bytes()
    other = tmp_path / "answer"
    for options in (("--html", data), ("--json", data), ("--html", other, "--json", other)):
        answer = muso("check", data, "--features", "identity", "--claim", "exact-labels", *options)
        assert (answer.status, "a file of its own" in answer.err) == (2, True)
    assert data.read_bytes() == before
    assert not other.exists()
