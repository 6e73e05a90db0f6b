"""General proofs: the algebraic form of every claim that has one, valid in all dimensions."""

from muso_theory.claims.theorems.library import Proof, check_certificate, prove
from muso_theory.claims.theorems.registry import THEOREMS, registered_statements, slugs

__all__ = ["THEOREMS", "Proof", "check_certificate", "prove", "registered_statements", "slugs"]
