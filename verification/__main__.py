"""Run campaigns: python -m verification NAME [PART] [--quick] [--jobs N] [--results DIR] [--fresh] [--only KEY=VALUE].

NAME may be `all`.

`python -m verification conclude [NAME ...]` says again what stored results let conclude, and measures nothing.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from muso_theory.errors import MusoError, nearest, printable
from muso_theory.files.writing import write_atomic
from muso_theory.parallel import stopping

from .campaign import BACKENDS, Options, ShownOnly, read_result, result_file, write_conclusions, write_tables


def names() -> list[str]:
    """List the campaigns: every module here that has a `run`, with hyphens for underscores."""
    found = []
    for path in Path(__file__).parent.glob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body):
            found.append(path.stem.replace("_", "-"))
    return sorted(found)


@dataclass(frozen=True)
class Campaign:
    """A campaign, or one part of it, and how long it is expected to take."""

    module: ModuleType
    label: str
    part: str | None
    seconds: float | None

    @property
    def name(self) -> str:
        """The campaign's, without the part."""
        return self.label.removesuffix(f"-{self.part}") if self.part else self.label

    @property
    def tabulate(self) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """Makes the tables from a result."""
        made: Callable[[Mapping[str, Any]], dict[str, Any]] = self.module.tabulate
        return made

    def file(self, quick: bool) -> str:
        """Name of the result file."""
        return f"{self.label}{'-quick' if quick else ''}.json"

    def run(self, quick: bool, options: Options) -> int:
        """Run it, write its result and say how it went; 1 where measurements contradict what was predicted."""
        started = time.monotonic()
        content: dict[str, Any] = self.module.run(quick, options, *([self.part] if self.part else []))
        took = time.monotonic() - started
        path = result_file(options.directory, self.label, quick, content, took, self.tabulate)
        print(f"{self.label}: {content.get('verdict', 'done')} in {took:.0f} s, see {path}")
        _say(read_result(path)["conclusions"])
        return 1 if content.get("failed") else 0


def campaigns(name: str, part: str | None, quick: bool) -> list[Campaign]:
    """What one name stands for: a campaign, or each of its parts where none is named."""
    module = importlib.import_module(f"verification.{name.replace('-', '_')}")
    parts: Sequence[str | None] = [part] if part else (getattr(module, "PARTS", ()) or [None])
    found = []
    for each in parts:
        seconds = getattr(module, "SECONDS", None)
        if isinstance(seconds, dict):
            seconds = seconds.get(each)
        label = name if each is None else f"{name}-{each}"
        found.append(Campaign(module, label, each, None if seconds is None else seconds[0 if quick else 1]))
    return found


def settled(label: str, work: Callable[[], int]) -> int:
    """Do the work of a campaign; what the system or the user does to it is told in words."""
    go_on = "finished points are kept, run it again to go on"
    try:
        return work()
    except ShownOnly:
        return 0
    except KeyboardInterrupt:
        print(f"\n{label}: {stopping.word()}; {go_on}", file=sys.stderr)
        return stopping.status()
    except MusoError as error:
        print(printable(f"{label}: {error}"), file=sys.stderr)
    except (OSError, MemoryError) as error:
        words = " ".join(str(error).split()) or "out of memory"
        print(printable(f"{label}: {words}; {go_on}"), file=sys.stderr)
    return 2


def run_all(quick: bool, options: Options) -> int:
    """Run every campaign, the shortest first, and go on when one fails."""
    todo = [campaign for name in names() for campaign in campaigns(name, None, quick)]
    todo.sort(key=lambda campaign: (campaign.seconds is None, campaign.seconds or 0.0, campaign.label))
    known = sum(campaign.seconds for campaign in todo if campaign.seconds is not None)
    unknown = sum(campaign.seconds is None for campaign in todo)
    more = f", and {unknown} of unknown length" if unknown else ""
    print(f"{len(todo)} campaigns, about {_duration(known)} on two cores{more}:")
    for campaign in todo:
        print(
            f"  {campaign.label:24} {'unknown' if campaign.seconds is None else _duration(campaign.seconds)}"
        )
    status: dict[str, int] = {}
    for campaign in todo:
        try:
            status[campaign.label] = settled(campaign.label, partial(campaign.run, quick, options))
        except Exception:
            # One campaign's defect must not cost the hours of the others; it is shown and remembered.
            print(f"{campaign.label}: stopped by an error\n{traceback.format_exc()}", file=sys.stderr)
            status[campaign.label] = 2
        if status[campaign.label] > 128:  # interrupted
            return status[campaign.label]
    bad = [label for label, code in status.items() if code]
    print(f"{len(status) - len(bad)} of {len(status)} campaigns ended well" + _listed(bad))
    return max(status.values(), default=0)


def markdown_table() -> str:
    """The campaigns as a Markdown table, with how long they take on two cores: what the README shows."""
    rows = ["| campaign | what it asks | small | full |", "|---|---|---:|---:|"]
    for name in names():
        for quick, full in zip(campaigns(name, None, True), campaigns(name, None, False), strict=True):
            about = (quick.module.__doc__ or "").partition("\n")[0].removeprefix(f"Campaign ``{name}``: ")
            words = quick.module.PARTS[quick.part] if quick.part else f"{about[0].upper()}{about[1:]}"
            part = f" {quick.part}" if quick.part else ""
            times = [
                _duration(campaign.seconds) if campaign.seconds else "unknown" for campaign in (quick, full)
            ]
            rows.append(f"| `{name}{part}` | {words} | {times[0]} | {times[1]} |")
    return "\n".join(rows) + "\n"


def _all_tables(quick: bool, directory: Path) -> int:
    """Write the tables of every stored result anew."""
    for campaign in (campaign for name in names() for campaign in campaigns(name, None, quick)):
        if (directory / campaign.file(quick)).exists():
            write_tables(directory / campaign.file(quick), campaign.tabulate)
    return 0


def stored(directory: Path | None = None) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every stored result by its label, with its tables; a small version only where there is no full one."""
    folder = directory or Path(__file__).with_name("results")
    for campaign in (campaign for name in names() for campaign in campaigns(name, None, False)):
        for path in (folder / campaign.file(quick) for quick in (False, True)):
            if path.is_file():
                result = read_result(path)
                yield campaign.label, result, campaign.tabulate(result)
                break


def _say(conclusions: Sequence[Mapping[str, Any]]) -> None:
    """Every conclusion, its verdict first."""
    for each in conclusions:
        print(printable(f"  {each['verdict']:12}  {each['sentence']}"))


def _conclude(arguments: list[str]) -> int:
    """Conclude stored results anew: those of the campaigns named, or all there are, small versions included."""
    parser = argparse.ArgumentParser(
        prog="python -m verification conclude",
        description="Say again what stored results let conclude, from their rows; write it into them and their tables.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="campaigns, or parts as in performance-ntk; default all"
    )
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).with_name("results"), help="folder of the result files"
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="a page whose sentences on results to renew"
    )
    given = parser.parse_args(arguments)
    every = [campaign for name in names() for campaign in campaigns(name, None, False)]
    known = sorted({*names(), *(campaign.label for campaign in every)})
    for name in given.names:
        if name not in known:
            print(f"expected a campaign but got {name!r}; try {nearest(name, known)}", file=sys.stderr)
            return 2
    chosen = [
        (campaign, given.results / campaign.file(quick))
        for campaign in every
        if not given.names or campaign.label in given.names or campaign.name in given.names
        for quick in (False, True)
    ]
    there = [(campaign, path) for campaign, path in chosen if path.is_file()]
    if not there:
        files = ", ".join(path.name for _, path in chosen[:2])
        print(f"expected a stored result such as {files} in {given.results}; try running it", file=sys.stderr)
        return 2
    status = max(settled(path.stem, partial(_conclude_one, campaign, path)) for campaign, path in there)
    if given.readme and not status:
        return settled(str(given.readme), partial(_renew, given.readme, given.results))
    return status


def _renew(page: Path, directory: Path) -> int:
    write_atomic(page, renewed(page.read_text(encoding="utf-8"), directory).encode())
    return 0


def renewed(readme: str, directory: Path) -> str:
    """A page whose sentences on results, ``- SENTENCE ([NAME](…/NAME.md))``, are those that the results have now.

    The sentence that is most like the old one takes its place; it may say something else, so it is read again.
    """

    def now(line: re.Match[str]) -> str:
        sentences = [each["sentence"] for each in read_result(directory / f"{line[2]}.json")["conclusions"]]
        return f"- {difflib.get_close_matches(line[1], sentences, 1, 0.0)[0]} ([{line[2]}]("

    return re.sub(r"^- (.+) \(\[([\w-]+)\]\((?=verification/results/)", now, readme, flags=re.MULTILINE)


def _conclude_one(campaign: Campaign, path: Path) -> int:
    conclusions = write_conclusions(path, campaign.tabulate)
    print(f"{path.stem}: {len(conclusions)} conclusions, see {path}")
    _say(conclusions)
    return 0


def _listed(bad: list[str]) -> str:
    """Names after a colon, or nothing."""
    return f"; not {', '.join(bad)}" if bad else ""


def _duration(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign named on the command line and write its result file.

    Returns:
        0 where all went well, 1 for a bad verdict, 2 for what could not run, 130, 143 or 129 for a run that was
        interrupted by Ctrl-C, SIGTERM or SIGHUP.
    """
    with stopping.gently():
        return _main(arguments)


def _main(arguments: list[str] | None) -> int:
    """The same, while signals are handled."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["conclude"]:
        return _conclude(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m verification", description=__doc__)
    parser.add_argument("name", help="all, or one of: " + ", ".join(names()))
    parser.add_argument(
        "part", nargs="?", help="part of a campaign that has several, e.g. performance certified"
    )
    parser.add_argument("--quick", action="store_true", help="a small version, for a first look")
    parser.add_argument("--jobs", type=int, default=2, help="parallel processes (default 2)")
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).with_name("results"), help="folder of the result files"
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="a peer's own Python (performance ntk), or one more that runs the tests (kernels)",
    )
    parser.add_argument(
        "--tables",
        action="store_true",
        help="only write the tables of the stored result anew; measure nothing",
    )
    parser.add_argument(
        "--minutes", type=float, help="write what was measured by then; run it again to go on (soundness)"
    )
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="measure again the points of this value alone (several: of all of them), print them and write nothing",
    )
    parser.add_argument("--backend", choices=BACKENDS, help="where joblib runs the points (default loky)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask cluster's scheduler, e.g. tcp://host:8786"
    )
    given = parser.parse_args(arguments)
    if given.name != "all" and given.name not in names():
        print(
            f"expected a campaign but got {given.name!r}; try {nearest(given.name, ['all', *names()])}",
            file=sys.stderr,
        )
        return 2
    peers = dict(pair.split("=", 1) for pair in given.peer if "=" in pair)
    if given.only and (given.name == "all" or given.tables or not all("=" in pair for pair in given.only)):
        what = "--only KEY=VALUE with one campaign that measures"
        print(f"expected {what}; try python -m verification alternating --only seed=0", file=sys.stderr)
        return 2
    try:
        options = Options(
            directory=given.results,
            jobs=given.jobs,
            fresh=given.fresh,
            minutes=given.minutes,
            peers=peers,
            only=dict(pair.split("=", 1) for pair in given.only),
            backend=given.backend,
            scheduler=given.scheduler,
        )
    except MusoError as error:
        print(printable(str(error)), file=sys.stderr)
        return 2
    if given.name == "all":
        return _all_tables(given.quick, given.results) if given.tables else run_all(given.quick, options)
    campaign = importlib.import_module(f"verification.{given.name.replace('-', '_')}")
    parts = getattr(campaign, "PARTS", ())
    if (given.part is None) == bool(parts) or (given.part is not None and given.part not in parts):
        wanted = f"one of {', '.join(parts)}" if parts else "no part"
        print(f"expected {wanted} but got {given.part!r}; try python -m verification --help", file=sys.stderr)
        return 2
    (campaign,) = campaigns(given.name, given.part, given.quick)
    if not given.tables:
        return settled(campaign.label, partial(campaign.run, given.quick, options))
    path = given.results / campaign.file(given.quick)
    return settled(campaign.label, lambda: write_tables(path, campaign.tabulate) or 0)


if __name__ == "__main__":
    sys.exit(main())
