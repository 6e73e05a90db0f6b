"""The scripts of proofs/coq, which are run by path and import nothing of the package."""

from __future__ import annotations

import importlib
import sys

from tests import ROOT

sys.path.insert(0, str(ROOT / "proofs" / "coq"))
try:
    judge = importlib.import_module("judge")
    statements = importlib.import_module("statements")
finally:
    sys.path.pop(0)
