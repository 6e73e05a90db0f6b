"""Certificates for Coq: a second kernel, of another design, re-checks every theorem.

Expressions and statements as Coq spells them are in ``syntax`` and ``lines``; proofs in ``script``, one rule of
``proofs/coq/Algebra.v`` a step, and ``inductions``; models and what they show in ``models``; files in ``export``.
"""
