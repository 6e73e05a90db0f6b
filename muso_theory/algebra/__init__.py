"""Typed free algebra over the rationals: certificates that hold in every dimension.

    polynomial, expression    words as paths between symbolic dimensions; reading and printing
    statement, induction      the language of theorems; assumptions generated from schemas
    prover, shorten           noncommutative Buchberger with cofactors; shorter certificates
    theorem, derivation       a declared theorem with its plan, and the certificate that the prover makes of it
    instance, checker         using a theorem in another; checking a certificate
    exact, trials, search     rational matrices; models and counterexamples, checked and found
    reading, idle             a theorem that somebody wrote; lines that a proof does not need
    contradiction             hypotheses that exclude each other
    opinions, scalars         prime fields and symbolic entries; scalar ingredients with sympy
    render                    Unicode and LaTeX
    coq                       certificates for a second kernel

The theorems themselves, and `prove`, are in `muso_theory.claims.theorems`.
"""

from typing import Any

from ..lazy import lazily


def __getattr__(name: str) -> Any:
    return lazily(__name__, name)
