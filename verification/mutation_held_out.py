"""How strong are the tests where nobody looked? Mutants of a second sample, on whose survivors no test was written.

The score of `mutation` is that of a sample whose survivors were read and answered, by tests, by removing code, or by
arguments; it says that this work is done and little about the next slip. This campaign draws other mutants of the same
rooms by another seed, leaves out those that the first sample holds too, and tries them in the same way. No survivor is
argued to be equivalent here, so that the score is a lower bound. It is a measurement, which nothing requires to be
high. Whoever writes tests against its survivors moves `SEED` on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .campaign import Options
from .mutants import draw
from .mutation import SEED as TUNED
from .mutation import tests_of_numbers, try_mutants
from .mutation_score import summary

SECONDS = (100, 800)
SEED = 7
_SIZE, _QUICK = 120, 12
_TUNED_SIZE = 520
_CONTROLS, _QUICK_CONTROLS = 5, 1
_ROOT = Path(__file__).resolve().parents[1]


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign: about 112 mutants that the first sample does not hold; or 12 of numbers, on their own tests.

    Returns:
        As `mutation_score.summary`, and the seed; failed only when a control is lost.
    """
    print("mutation-held-out: drawing", file=sys.stderr)
    tuned = {mutant.key for mutant in draw(_ROOT, _TUNED_SIZE, TUNED)}
    drawn = draw(_ROOT, _QUICK, SEED, ("numbers",)) if quick else draw(_ROOT, _SIZE, SEED)
    mutants = [m for m in drawn if m.key not in tuned]
    files, controls = (tests_of_numbers(), _QUICK_CONTROLS) if quick else (None, _CONTROLS)
    found = summary(*try_mutants(mutants, options, files, controls=controls), {})
    del found["arguments refuted"], found["arguments not drawn"]
    return {
        "seed": SEED,
        **found,
        "verdict": f"{found['verdict']}, without arguments of equivalence",
        "failed": bool(found["controls lost"]),
    }
