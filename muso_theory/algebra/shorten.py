"""Shorter certificates: the fewest and simplest terms that use only words the found certificate already needs.

The candidates are all terms a·g·b whose words occur in the expansion of the certificate found; the one of least
weighted ℓ₁ norm is a linear program (Hofstadler, Raab, Regensburger, "Short proofs of ideal membership",
arXiv:2302.02832). The program is solved in floats, its support is then solved exactly, and the result is used only
if it is exact.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from fractions import Fraction

from .polynomial import Polynomial, Word
from .prover import Combination, NotFoundError, Term, find_combination

__all__ = ["fewer_facts", "shortened"]

_MAX_COLUMNS = 4_000


def shortened(target: Polynomial, combination: Combination, facts: Mapping[str, Polynomial]) -> Combination:
    """A combination of ``facts`` with exactly the same sum, and as a rule fewer terms; else the one given."""
    versions: dict[str, Mapping[Word, Fraction]] = {}
    for key, polynomial in facts.items():
        for mark, version in (("", polynomial), ("'", polynomial.transpose())):
            terms = version.terms  # none where 0 = 0 was assumed, or follows from a lemma
            if terms and all(
                terms != other and {w: -c for w, c in terms.items()} != other for other in versions.values()
            ):
                versions[key + mark] = terms
    words = set(target.terms)
    for term in combination:
        words |= {term.left + w + term.right for w in versions.get(term.fact, facts_terms(facts, term.fact))}
    columns = _columns(words, versions)
    if not combination or len(columns) > _MAX_COLUMNS:
        return combination
    columns.sort(key=lambda column: (len(column[0]) + len(column[2]), column))
    solution = _solve(dict(target.terms), columns, versions)
    if solution is None or len(solution) >= len(combination):
        return combination
    return solution


def fewer_facts(
    target: Polynomial,
    combination: Combination,
    facts: Mapping[str, Polynomial],
    weights: Mapping[str, int],
    deadline: float = math.inf,
) -> Combination:
    """Give up one fact after the other, as long as a certificate with fewer terms is found.

    Args:
        deadline: when to stop, by `time.monotonic`.
    """
    best = combination
    for key in reversed(list(facts)):
        used = {term.fact.removesuffix("'") for term in best}
        if key in used and time.monotonic() < deadline:
            smaller = {k: p for k, p in facts.items() if k in used and k != key}
            try:
                found = find_combination(target, smaller, weights, max_degree=8, max_work=20_000)
            except NotFoundError:
                continue
            if len(found) <= len(best):
                best = found
    return best


def facts_terms(facts: Mapping[str, Polynomial], key: str) -> Mapping[Word, Fraction]:
    """The terms of a fact by key, where a final prime asks for the transpose."""
    return facts[key].terms if key in facts else facts[key[:-1]].transpose().terms


def _columns(
    words: set[Word], versions: Mapping[str, Mapping[Word, Fraction]]
) -> list[tuple[Word, str, Word]]:
    """All (a, g, b) whose expansion stays within the given words."""
    columns = set()
    for key, terms in versions.items():
        pivot = max(terms, key=lambda w: (len(w), w))
        for word in words:
            for at in range(len(word) - len(pivot) + 1):
                if word[at : at + len(pivot)] == pivot:
                    left, right = word[:at], word[at + len(pivot) :]
                    if all(left + w + right in words for w in terms):
                        columns.add((left, key, right))
    return list(columns)


def _solve(
    target: dict[Word, Fraction],
    columns: list[tuple[Word, str, Word]],
    versions: Mapping[str, Mapping[Word, Fraction]],
) -> Combination | None:
    """Least weighted ℓ₁ norm in floats, then the support exactly."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, hstack

    rows = {word: i for i, word in enumerate(sorted({a + w + b for a, g, b in columns for w in versions[g]}))}
    if not set(target) <= set(rows):
        return None
    entries = [
        (rows[a + w + b], j, float(c)) for j, (a, g, b) in enumerate(columns) for w, c in versions[g].items()
    ]
    i, j, value = (np.array(part) for part in zip(*entries, strict=True))
    matrix = coo_array((value, (i, j)), shape=(len(rows), len(columns)))
    # Slightly different prices make the optimum unique, so that every machine finds the same certificate.
    price = np.array(
        [1 + 0.05 * (len(a) + len(b)) + 1e-4 * k / len(columns) for k, (a, _, b) in enumerate(columns)]
    )
    wanted = np.zeros(len(rows))
    for word, c in target.items():
        wanted[rows[word]] = float(c)
    found = linprog(
        np.concatenate([price, price]),
        A_eq=hstack([matrix, -matrix]).toarray(),
        b_eq=wanted,
        method="highs-ds",
    )
    if not found.success:
        return None
    solution = np.asarray(found.x)
    weights = solution[: len(columns)] - solution[len(columns) :]
    support = [column for column, x in zip(columns, weights, strict=True) if abs(x) > 1e-6]
    return _exact(target, support, versions)


def _exact(
    target: dict[Word, Fraction],
    support: list[tuple[Word, str, Word]],
    versions: Mapping[str, Mapping[Word, Fraction]],
) -> Combination | None:
    """Solve for the coefficients of the support by elimination over the rationals."""
    rows: dict[Word, dict[int, Fraction]] = {word: {-1: c} for word, c in target.items()}
    for k, (a, g, b) in enumerate(support):
        for w, c in versions[g].items():
            row = rows.setdefault(a + w + b, {})
            row[k] = row.get(k, Fraction(0)) + c
    pivots: list[tuple[int, dict[int, Fraction]]] = []
    for row in rows.values():
        for k, pivot in pivots:
            if factor := row.get(k):
                row = {
                    i: v for i in {*row, *pivot} if (v := row.get(i, Fraction(0)) - factor * pivot.get(i, 0))
                }
        k = min((i for i in row if i >= 0 and row[i]), default=-1)
        if k < 0:
            if row.get(-1):
                return None
            continue
        pivots.append((k, {i: v / row[k] for i, v in row.items() if v}))
    if len(pivots) < len(support):
        return None
    values: dict[int, Fraction] = {}
    for k, pivot in reversed(pivots):
        values[k] = pivot.get(-1, Fraction(0)) - sum(
            v * values[i] for i, v in pivot.items() if i not in (-1, k)
        )
    return tuple(Term(values[k], *column) for k, column in enumerate(support) if values[k])
