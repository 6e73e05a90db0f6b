"""Draw figures from the result files: ``python -m figures [NAME ...]``."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from muso_theory.errors import MusoError, expected, nearest, printable
from muso_theory.files import make_folder, write_atomic
from muso_theory.plots import FORMATS, VENUES, render, styled

from .captions import fill
from .results import MissingResultError, load

__all__ = ["NAMES", "draw", "main", "script"]

ROOT = Path(__file__).resolve().parents[1]

NAMES = (
    "gap_by_epoch",
    "predicted_measured",
    "exactness",
    "precision_ladder",
    "downsampling",
    "limits",
    "lazy_width",
    "accuracies",
    "trade_off",
    "guarantees",
    "spectrum",
    "labels",
    "layers",
    "theorem_graph",
)
"""Every figure, in the order of a paper."""


def script(name: str) -> Any:
    """The module that draws a figure.

    Raises:
        BadInputError: there is none of that name.
    """
    if name not in NAMES:
        raise expected("a figure", "NAME", name, "unknown", nearest(name, NAMES))
    return importlib.import_module(f"figures.{name}")


def draw(name: str, directory: Path, venue: str = "plain", form: str = "pdf") -> tuple[bytes, str, bool]:
    """A figure and its caption.

    Args:
        name: of the figure.
        directory: of the result files.
        venue: see `muso_theory.plots.style`.
        form: of the file.

    Returns:
        The bytes of the figure, its caption, and whether a result behind it is of a quick run.

    Raises:
        BadInputError: an unknown name, venue or format, or a result that cannot be used.
        MissingResultError: a campaign is yet to be run.
        CaptionError: the caption names a number that the results do not hold.
    """
    module = script(name)
    results = {need: load(directory, need) for need in module.NEEDS}
    with styled(venue):
        try:
            figure = module.draw(results)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            hint = "the result of this version's campaign: " + ", ".join(module.NEEDS)
            raise expected("a result that the figure can read", "NAME", name, repr(error), hint) from error
        drawn = render(figure, form, opaque=form == "svg")
    quick = [need for need in results if results[need].get("quick")]
    failed = [need for need in results if results[need].get("failed")]
    commands = [f"python -m verification {need}" for need in module.NEEDS]
    parts = [
        fill(module.CAPTION, results).strip(),
        *([f"Quick run of: {', '.join(quick)}; no evidence."] if quick else []),
        *([f"Failed its own judgement: {', '.join(failed)}."] if failed else []),
        f"Made by: {'; '.join(commands)}; python -m figures {name}.",
    ]
    return drawn, "\n".join(parts) + "\n", bool(quick)


def main(arguments: list[str] | None = None) -> int:
    """Draw the figures named on the command line, or all whose results exist.

    Returns:
        0 if all asked for were drawn (or, where none was named, all), 2 if not.
    """
    parser = argparse.ArgumentParser(prog="python -m figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="one of " + ", ".join(NAMES))
    parser.add_argument("--style", default="plain", help="one of " + ", ".join(VENUES))
    parser.add_argument("--format", default="pdf", help="one of " + ", ".join(FORMATS))
    parser.add_argument("--results", type=Path, default=ROOT / "verification" / "results")
    parser.add_argument("--out", type=Path, default=Path("build") / "figures", help="default build/figures")
    given = parser.parse_args(arguments)
    try:
        for name in given.names:
            script(name)
        if given.style not in VENUES:
            raise expected("a venue", "--style", given.style, "unknown", nearest(given.style, VENUES))
        if given.format not in FORMATS:
            raise expected("a format", "--format", given.format, "unknown", nearest(given.format, FORMATS))
        make_folder(given.out)
        missing = 0
        for name in given.names or NAMES:
            try:
                drawn, caption, quick = draw(name, given.results, given.style, given.format)
            except MissingResultError as error:
                print(f"{name}: {error}", file=sys.stderr)
                missing += 1
                continue
            # A first look never takes the place of evidence.
            stem = f"{name}-quick" if quick else name
            write_atomic(given.out / f"{stem}.{given.format}", drawn)
            write_atomic(given.out / f"{stem}.txt", caption.encode())
            print(given.out / f"{stem}.{given.format}")
    except (MusoError, OSError) as error:
        print(printable(str(error)), file=sys.stderr)
        return 2
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
