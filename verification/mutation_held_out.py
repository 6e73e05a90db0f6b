"""How strong are the tests where nobody looked? Mutants of a second sample, on whose survivors no test was written.

The score of `mutation` is that of a sample whose survivors are read and answered, by tests, by removing code, or by
arguments. This campaign draws by another seed, leaves out what the first sample holds too, and tries the rest in the
same way. Whoever writes tests against its survivors moves `SEED` on.
"""

from __future__ import annotations

from typing import Any

from .campaign import Options
from .mutants import draw
from .mutation import ROOM, answered, files_of, tabulate, try_mutants

__all__ = ["SECONDS", "run", "tabulate"]

SECONDS = (100, 2400)
SEED = 13


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign: 120 mutants less those of the first sample; or 6 of numbers, on their own tests."""
    mutated, tests = files_of(ROOM if quick else "")
    first = set(answered(quick))
    sample = [mutant for mutant in draw(mutated, 6 if quick else 120, SEED) if mutant not in first]
    return {"seed": SEED, **try_mutants(sample, tests, options, 1 if quick else 5)}
