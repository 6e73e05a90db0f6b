"""Facts on Moore-Penrose inverses as the field states them, and false ones that look like them.

The true ones are those of Hogben's Handbook of Linear Algebra, section I.5.7, of Greville 1966 and Hartwig 1986 on the
reverse-order law, Woodbury's and Schur's identities, and generalised least squares. Each is stated without a plan but
the converse of Greville's, whose plan names the square that vanishes.
"""

from __future__ import annotations

__all__ = ["FALSE", "TRUE"]

_A = "matrix A : m x n\npinv A\n"
_AB = "matrix A : m x n\nmatrix B : n x p\nlet M = A B\npinv A\npinv B\npinv M\n"
_INVERSE = "matrix X : n x m\n"
_ABC = """matrix A : m x n
matrix B : n x p
matrix C : p x q
let M = A B C
pinv A
pinv B
pinv C
pinv M
let P = A^+ A B C C^+
let Q = C C^+ B^+ A^+ A
"""
_LINEAR = """matrix X : n x p
matrix y : n x c
matrix L : n x n
let V = L L'
assume regular: V invertible
let N = X' V^-1 X
assume full-rank: N invertible
let b = N^-1 X' V^-1 y
"""
_BLOCKS = """matrix A : k x k
matrix B : k x l
matrix C : l x k
matrix D : l x l
partition n = k + l by S, T
let M = S' A S + S' B T + T' C S + T' D T
assume corner: A invertible
let Z = D - C A^-1 B
"""

TRUE: dict[str, str] = {
    "unique": _A + _INVERSE + "assume p1: A X A = A\nassume p2: X A X = X\nassume p3: (A X)' = A X\n"
    "assume p4: (X A)' = X A\nconclude X = A^+",
    "of the inverse": _A + "let X : n x m = A^+\npinv X\nconclude X^+ = A",
    "of the transpose": _A + "let T = A'\npinv T\nconclude T^+ = A^+'",
    "of the Gram matrix": _A + "let K = A' A\npinv K\nconclude K^+ = A^+ A^+'",
    "of the other Gram matrix": _A + "let K = A A'\npinv K\nconclude K^+ = A^+' A^+",
    "through the Gram matrix": _A + "let K = A' A\npinv K\nconclude A^+ = K^+ A'",
    "through the other Gram matrix": _A + "let K = A A'\npinv K\nconclude A^+ = A' K^+",
    "of an invertible matrix": "matrix A : n x n\npinv A\nassume regular: A invertible\nconclude A^+ = A^-1",
    "full column rank": _A
    + "let K = A' A\nassume columns: K invertible\nconclude A^+ = K^-1 A'\nconclude A^+ A = I",
    "full row rank": _A
    + "let K = A A'\nassume rows: K invertible\nconclude A^+ = A' K^-1\nconclude A A^+ = I",
    "left-invertible": _A + "assume columns: A left-invertible\nconclude A^+ A = I",
    "projector onto the range": _A + "let P = A A^+\nconclude P P = P\nconclude P = P'\nconclude P A = A",
    "projector onto the kernel": _A
    + "let P = I - A^+ A\nconclude P P = P\nconclude P = P'\nconclude A P = 0",
    "cancelling": _A + "conclude A' A A^+ = A'\nconclude A^+ A A' = A'",
    "range of the transpose": _A + "conclude A^+ = A' A^+' A^+\nconclude A^+ = A^+ A^+' A'",
    "orthonormal factors": "matrix A : m x n\nmatrix U : k x m\nmatrix V : n x l\nassume left: U' U = I\n"
    "assume right: V V' = I\nlet M = U A V\npinv A\npinv M\nconclude M^+ = V' A^+ U'",
    "rank factorisation": "matrix B : m x r\nmatrix C : r x n\nlet A = B C\nlet K = B' B\nlet L = C C'\npinv A\n"
    "assume columns: K invertible\nassume rows: L invertible\nconclude A^+ = C' L^-1 K^-1 B'",
    "orthogonal projector": "matrix P : n x n\npinv P\nassume idempotent: P P = P\nassume symmetric: P = P'\n"
    "conclude P^+ = P",
    "normal matrix": "matrix A : n x n\npinv A\nassume normal: A A' = A' A\nconclude A A^+ = A^+ A",
    "symmetric matrix": "matrix A : n x n\npinv A\nassume symmetric: A = A'\nconclude A^+ = A^+'\n"
    "conclude A A^+ = A^+ A",
    "zero": _A + "assume zero: A = 0\nconclude A^+ = 0",
    "partial isometry": _A + "assume isometry: A A' A = A\nconclude A^+ = A'",
    "partial isometry, conversely": _A + "assume transpose: A^+ = A'\nconclude A A' A = A",
    "normal equations": _A + "matrix b : m x c\nlet x = A^+ b\nconclude A' (A x - b) = 0",
    "least squares": _A + "matrix b : m x c\nmatrix z : n x c\nlet x = A^+ b\nlet d = A (z - x)\n"
    "conclude (A z - b)' (A z - b) = (A x - b)' (A x - b) + d' d",
    "solvable": _A + "matrix b : m x c\nmatrix z : n x c\nassume solved: A z = b\nconclude A A^+ b = b",
    "all solutions": _A + "matrix b : m x c\nmatrix z : n x c\nassume solved: A z = b\n"
    "conclude z = A^+ b + (I - A^+ A) z",
    "shortest solution": _A + "matrix b : m x c\nmatrix z : n x c\nassume solved: A z = b\nlet x = A^+ b\n"
    "conclude z' z = x' x + (z - x)' (z - x)",
    "two-sided equation": "matrix A : m x n\nmatrix B : p x q\nmatrix Z : n x p\npinv A\npinv B\nlet C = A Z B\n"
    "conclude A A^+ C B^+ B = C",
    "product with its transpose": _A + "conclude A A' A^+' = A\nconclude A^+' A' A = A",
    "Greville": _AB + "assume first: A^+ A B B' A' = B B' A'\nassume second: B B^+ A' A B = A' A B\n"
    "conclude M^+ = B^+ A^+",
    "Greville, first conversely": _AB + "assume law: M^+ = B^+ A^+\nconclude A^+ A B B' A' = B B' A'\n"
    "lemma lemma/pseudo-inverse with A = A\nlemma lemma/pseudo-inverse with A = B\n"
    "lemma lemma/pseudo-inverse with A = M\n"
    "have A B B^+ A^+ = A^+' B^+' B' A'\nhave B^+ A^+ A B = B' A' A^+' B^+'\n"
    "have A B B^+ A^+ A B = A B\nhave B' A' A B B^+ A^+ = B' A'\nhave B^+ A^+ A B B' A' = B' A'\n"
    "cancel (I - A^+ A) B B' A'",
    "reverse order with orthonormal columns": _AB + "assume columns: A' A = I\nconclude M^+ = B^+ A^+",
    "reverse order of full ranks": _AB
    + "assume columns: A left-invertible\nassume rows: B right-invertible\n"
    "conclude M^+ = B^+ A^+",
    "Hartwig's triple law": _ABC + "assume inner: P Q P = P\nassume outer: Q P Q = Q\n"
    "assume first: A' A P Q = (A' A P Q)'\nassume second: Q P C C' = (Q P C C')'\nconclude M^+ = C^+ B^+ A^+",
    "Woodbury": "matrix A : n x n\nmatrix U : n x k\nmatrix C : k x k\nmatrix V : k x n\nassume a: A invertible\n"
    "assume c: C invertible\nlet S = C^-1 + V A^-1 U\nassume s: S invertible\nlet M = A + U C V\n"
    "conclude M (A^-1 - A^-1 U S^-1 V A^-1) = I\nconclude (A^-1 - A^-1 U S^-1 V A^-1) M = I",
    "push-through": "matrix U : n x k\nmatrix V : k x n\nlet M = I + U V\nlet N = I + V U\nassume m: M invertible\n"
    "assume n: N invertible\nconclude M^-1 U = U N^-1",
    "Schur complement": _BLOCKS
    + "assume complement: Z invertible\nlet W = S' A^-1 S + (S' A^-1 B - T') Z^-1 "
    "(C A^-1 S - T)\nconclude M W = I\nconclude W M = I",
    "corner of the inverse": _BLOCKS
    + "assume whole: M invertible\nconclude Z T M^-1 T' = I\nconclude T M^-1 T' Z = I",
    "generalised least squares": _LINEAR + "conclude X' V^-1 (y - X b) = 0",
    "Gauss-Markov": _LINEAR
    + "matrix G : p x n\nassume unbiased: G X = I\nlet H = N^-1 X' V^-1\nlet E = G - H\n"
    "conclude G V G' = H V H' + E V E'",
}
"""Name to text, true for all real matrices."""

FALSE: dict[str, str] = {
    "reverse order": _AB + "conclude M^+ = B^+ A^+",
    "same order": "matrix A : n x n\nmatrix B : n x n\nlet M = A B\npinv A\npinv B\npinv M\nconclude M^+ = A^+ B^+",
    "additive": "matrix A : m x n\nmatrix B : m x n\nlet M = A + B\npinv A\npinv B\npinv M\nconclude M^+ = A^+ + B^+",
    "a left inverse": _A + "conclude A^+ A = I",
    "a right inverse": _A + "conclude A A^+ = I",
    "the transpose": _A + "conclude A^+ = A'",
    "commuting": "matrix A : n x n\npinv A\nconclude A A^+ = A^+ A",
    "of a square": "matrix A : n x n\nlet S = A A\npinv A\npinv S\nconclude S^+ = A^+ A^+",
    "of an idempotent": "matrix P : n x n\npinv P\nassume idempotent: P P = P\nconclude P^+ = P",
    "two Penrose equations": _A + _INVERSE + "assume p1: A X A = A\nassume p2: X A X = X\nconclude X = A^+",
    "three Penrose equations": _A + _INVERSE + "assume p1: A X A = A\nassume p2: X A X = X\n"
    "assume p3: (A X)' = A X\nconclude X = A^+",
    "without the second": _A
    + _INVERSE
    + "assume p1: A X A = A\nassume p3: (A X)' = A X\nassume p4: (X A)' = X A\n"
    "conclude X = A^+",
    "Greville's first condition alone": _AB + "assume first: A^+ A B B' A' = B B' A'\nconclude M^+ = B^+ A^+",
    "reverse order with orthonormal rows": _AB + "assume rows: A A' = I\nconclude M^+ = B^+ A^+",
    "Hartwig without symmetry": _ABC + "assume inner: P Q P = P\nassume outer: Q P Q = Q\n"
    "conclude M^+ = C^+ B^+ A^+",
    "the triple law": _ABC + "conclude M^+ = C^+ B^+ A^+",
    "every equation is solvable": _A + "matrix b : m x c\nconclude A A^+ b = b",
    "every solution is the shortest": _A + "matrix b : m x c\nmatrix z : n x c\nassume solved: A z = b\n"
    "conclude z = A^+ b",
    "Woodbury with the wrong sign": "matrix A : n x n\nmatrix U : n x k\nmatrix V : k x n\nassume a: A invertible\n"
    "let S = I + V A^-1 U\nassume s: S invertible\nlet M = A + U V\nconclude M (A^-1 + A^-1 U S^-1 V A^-1) = I",
    "every unbiased estimate is the best": _LINEAR + "matrix G : p x n\nassume unbiased: G X = I\n"
    "conclude G V G' = N^-1",
}
"""Name to text, each with a counterexample."""
