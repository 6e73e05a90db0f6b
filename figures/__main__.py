"""Draw figures from the result files: ``python -m figures [NAME ...]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from muso_theory.errors import MusoError, printable
from muso_theory.files.writing import make_folder, write_atomic
from muso_theory.plots import FORMATS, VENUES, WIDTHS, check_style
from muso_theory.plots.gallery import NAMES, draw_campaigns, script

from .results import MissingResultError, load

__all__ = ["draw", "main"]

ROOT = Path(__file__).resolve().parents[1]


def draw(
    name: str, directory: Path, venue: str = "plain", form: str = "pdf", width: str = "column"
) -> tuple[bytes, str, bool]:
    """A figure and its caption.

    Raises:
        BadInputError: an unknown name, venue or format, a result that cannot be used, or a caption that names a number
            that the results do not hold.
        MissingResultError: a campaign is yet to be run.
    """
    sources = {need: load(directory, need) for need in script(name).NEEDS}
    drawn = draw_campaigns(name, sources, venue, width, form)
    return drawn.data, drawn.caption, drawn.quick


def main(arguments: list[str] | None = None) -> int:
    """Draw the figures named on the command line, or all whose results exist.

    Returns:
        0 if all asked for were drawn (or, where none was named, all), 2 if not.
    """
    parser = argparse.ArgumentParser(prog="python -m figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="one of " + ", ".join(NAMES))
    parser.add_argument("--style", default="plain", help="one of " + ", ".join(VENUES))
    parser.add_argument("--width", default="column", help="one of " + ", ".join(WIDTHS))
    parser.add_argument("--format", default="pdf", help="one of " + ", ".join(FORMATS))
    parser.add_argument("--results", type=Path, default=ROOT / "verification" / "results")
    parser.add_argument("--out", type=Path, default=Path("build") / "figures", help="default build/figures")
    given = parser.parse_args(arguments)
    try:
        for name in given.names:
            script(name)
        check_style(given.style, given.width, given.format)
        make_folder(given.out)
        missing = 0
        for name in given.names or NAMES:
            try:
                drawn, caption, quick = draw(name, given.results, given.style, given.format, given.width)
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
