"""General proofs: the algebraic form of every claim that has one, valid in all dimensions.

prove(slug)                 prove a claim from scratch: certificate, page, LaTeX, status, hash
check_certificate(...)      accepted or rejected, with the reason
theorem_status(slug)        what is proved, from shipped data, at once
write_proofs(directory)     everything, written down
"""

from muso_theory.claims.theorems.library import Proof, check_certificate, prove
from muso_theory.claims.theorems.registry import THEOREMS, parts, registered_statements, slugs
from muso_theory.claims.theorems.status import TheoremStatus, theorem_status
from muso_theory.claims.theorems.writing import load_certificate, write_index, write_proofs

__all__ = [
    "THEOREMS",
    "Proof",
    "TheoremStatus",
    "check_certificate",
    "load_certificate",
    "parts",
    "prove",
    "registered_statements",
    "slugs",
    "theorem_status",
    "write_index",
    "write_proofs",
]
