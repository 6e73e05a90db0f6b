"""Run one campaign: python -m verification NAME [PART] [--quick] [--jobs N] [--results DIR] [--fresh]."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from pathlib import Path

import verification
from muso_theory.errors import MusoError, nearest

from .campaign import Options, environment, write_atomically

_MACHINERY = {"__main__", "campaign", "ntk_worker", "performance_ntk"}


def names() -> list[str]:
    """List the campaigns: every module here that has a `run`."""
    return sorted(m.name for m in pkgutil.iter_modules(verification.__path__) if m.name not in _MACHINERY)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign named on the command line and write its result file."""
    parser = argparse.ArgumentParser(prog="python -m verification", description=__doc__)
    parser.add_argument("name", help="one of: " + ", ".join(names()))
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
        help="a peer's own Python (performance ntk)",
    )
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    given = parser.parse_args(arguments)
    if given.name not in names():
        print(
            f"expected a campaign but got {given.name!r}; try {nearest(given.name, names())}", file=sys.stderr
        )
        return 2
    campaign = importlib.import_module(f"verification.{given.name}")
    parts = getattr(campaign, "PARTS", ())
    if (given.part is None) == bool(parts) or (given.part is not None and given.part not in parts):
        wanted = f"one of {', '.join(parts)}" if parts else "no part"
        print(f"expected {wanted} but got {given.part!r}; try python -m verification --help", file=sys.stderr)
        return 2
    label = given.name if given.part is None else f"{given.name}-{given.part}"
    peers = dict(pair.split("=", 1) for pair in given.peer if "=" in pair)
    options = Options(directory=given.results, jobs=given.jobs, fresh=given.fresh, peers=peers)
    started = time.monotonic()
    try:
        content = campaign.run(given.quick, options, *([given.part] if given.part else []))
    except KeyboardInterrupt:
        print(f"\n{label}: interrupted; finished points are kept, run it again to go on", file=sys.stderr)
        return 130
    except MusoError as error:
        print(error, file=sys.stderr)
        return 2
    path = given.results / f"{label}{'-quick' if given.quick else ''}.json"
    write_atomically(path, {"campaign": label, "quick": given.quick, "environment": environment(), **content})
    print(f"{label}: {content.get('verdict', 'done')} in {time.monotonic() - started:.0f} s, see {path}")
    return 1 if content.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
