"""The systems of rows that certified solving rests on: scaled exactly, formed once, bounded with proof.

Every set of rows gets its matrix (a block of the Gram matrix K, or Φ_AᵀΦ_A where there are more rows than
features), a Cholesky factor and a proved lower bound of its smallest eigenvalue. What is known of K holds for
its blocks: λ_min(K_AA) ≥ λ_min(K) by Cauchy interlacing, and λ_min(S) ≥ λ_min(K) for the Schur complement S. Where
that matrix has lost its digits, a triangular preconditioner of Φ_A takes the place of its Cholesky factor. Where some
rows are equal, their distinct ones are solved for.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property, partial
from typing import final

import numpy as np

from ..arrays import Array, is_float64
from ..numbers import CholeskyFactor, NoArithmeticError, Quantity, UndecidedError
from ..numbers.accurate import Accurate, accurate_product
from ..numbers.base_system import RowSystem
from ..numbers.gram import blocked_gram
from ..numbers.gramcheck import spot_check_curvature, spot_check_gram
from ..numbers.ieee import ieee_proof
from ..numbers.leastsquares import DualSystem
from ..numbers.preconditioned import PreconditionedSystem
from ..numbers.primal import PrimalSystem
from ..numbers.repeated import RepeatedSystem
from ..numbers.rounding import exact, root_up, scaled_exactly, scaling_exponent
from ..numbers.slices import sliced_product
from ..numbers.spans import image
from ..numbers.spectrum import (
    largest_eigenvalue_bound,
    smallest_eigenvalue_bound,
)
from ..numbers.tiled import TiledFactor
from ..numbers.tiles import Tiles
from .closed_forms import float_model
from .model import Rows
from .problem import UnlearningProblem
from .repeats import Repeats, few_others
from .spreading import spread
from .tiling import in_tiles

__all__ = ["ScaledFeatures", "exact_floats"]


@final
class ScaledFeatures:
    """Φ, scaled by a power of two where its largest entry lies outside 2^±100, and the systems of its rows.

    Where nothing had to be scaled, the Gram matrix and its factor are those of the problem's float64 model. A factor is
    only a proposal and needs no trust; the matrix is compared with Φ on a vector of random signs.

    Args:
        problem: float64 or float32 arrays, or integers that float64 holds exactly.
        order: rows by position: the retain set, then the forget set.
        preconditioned: solve through a preconditioner of Φ, which decides up to about the square of the condition
            number, at some ten times the price.

    Raises:
        UndecidedError: Fractions, wide integers, or features that no power of two brings into the range.

    Example:
        >>> problem = UnlearningProblem(np.diag([3.0, 4.0]) * 2.0**300, np.ones(2), [1])
        >>> systems = ScaledFeatures(problem, np.array([0, 1]))
        >>> systems.exponent, 7 * 2.0**600 < systems.min_eigenvalue.floor < 9 * 2.0**600
        (303, True)
    """

    def __init__(self, problem: UnlearningProblem, order: Array, *, preconditioned: bool = False) -> None:
        self.is_preconditioned = preconditioned
        features = exact_floats("features", problem.features)
        if preconditioned:
            features = np.asarray(features)
        self.exponent = scaling_exponent(features)
        self.features = scaled_exactly("features", features, -self.exponent)
        self._problem = problem
        self._order = order
        self._everything, self._retain = range(problem.n_samples), range(len(problem.retain))
        self._is_dual = problem.n_samples <= problem.n_features
        self.repeats = Repeats(problem.first_equal[order], problem.n_features)
        self._distinct = self.repeats.distinct(self._everything)
        self._systems: dict[Rows, RowSystem] = {}
        self._norms: dict[Rows, Fraction] = {}
        self._primals: dict[Rows, PrimalSystem] = {}

    def index(self, rows: Rows) -> Array:
        """The rows of Φ at these positions."""
        return self._order[np.asarray(rows, dtype=np.intp)]

    def of(self, rows: Rows) -> RowSystem:
        """The system of some positions, made at most once; proofs are made when they are asked for."""
        if rows not in self._systems:
            self._systems[rows] = self._made(rows)
        return self._systems[rows]

    @property
    def everything(self) -> RowSystem:
        """The system of all rows."""
        return self.of(self._everything)

    @property
    def retained(self) -> RowSystem:
        """The system of the retain set."""
        return self.of(self._retain)

    @cached_property
    def is_regular(self) -> bool:
        """Whether Φ provably has full rank, or its distinct rows have."""
        try:
            return self.everything.smallest > 0
        except UndecidedError:
            return False

    def image(self, rows: Rows, high: Array, low: Array) -> Accurate:
        """Φ_rows(high + low): to some 75 bits of |Φ||w|, or with a preconditioner 116, as its fits divide by √λ_min."""
        product = sliced_product if self.is_preconditioned else accurate_product
        return image(self.features, self.index(rows), high, low, product)

    @ieee_proof()
    def norm(self, rows: Rows) -> Fraction:
        """Upper bound of ‖Φ_rows‖₂."""
        if rows not in self._norms:
            whole = self.everything
            largest = whole.largest
            if self._is_dual and rows != self._everything:
                largest = min(largest, largest_eigenvalue_bound(self._block(rows), whole.error))
            self._norms[rows] = root_up(largest)
        return self._norms[rows]

    # -- matrices and factors --------------------------------------------------------------------------

    @cached_property
    def _gram(self) -> Array | Tiles:
        """K̂ of the scaled features in position order, formed by `blocked_gram`."""
        if self.exponent and in_tiles(self._problem):
            what, hint = "features beyond 2^±100 are scaled in memory", "features scaled by a power of two"
            raise NoArithmeticError(what, hint)
        if self.exponent:
            return blocked_gram(self.features, self._order)
        model = float_model(self._problem)
        is_kept = model.has_gram
        shared: Array | Tiles = model.gram
        if is_kept:  # see `_formed`
            spot_check_gram(self.features, self._order, shared)
        return shared

    def _block(self, rows: Rows) -> Array | Tiles:
        """K̂ of some positions; a range is a view."""
        if isinstance(self._gram, Tiles):
            return self._gram.part(rows)
        if isinstance(rows, range):
            return self._gram[rows.start : rows.stop, rows.start : rows.stop]
        return self._gram[np.ix_(rows, rows)]

    def _known_factor(self, rows: Rows) -> CholeskyFactor | TiledFactor | None:
        """A Cholesky factor that has been computed already; no bound rests on it."""
        if not (isinstance(rows, range) and rows.start == 0):
            return None
        if self.repeats.lower_the_rank(self._everything):
            return None  # the float model has eigenvalues, which are dearer, and no factor
        if not self.exponent and rows in (self._everything, self._retain):
            known = float_model(self._problem).factor(rows)
            return known if isinstance(known, CholeskyFactor | TiledFactor) else None
        # The factor of a leading block is one of the whole matrix.
        if rows != self._everything and self.is_regular and isinstance(self.everything, DualSystem):
            whole = self.everything.factor
            assert isinstance(whole, CholeskyFactor | TiledFactor)
            return whole.leading(len(rows))
        return None

    def _made(self, rows: Rows) -> RowSystem:
        plain = self._plain(rows)
        if self.repeats.lower_the_rank(rows):
            return RepeatedSystem(plain, self.of(self.repeats.distinct(rows)), self.repeats.place(rows))
        if not self.is_preconditioned:
            return plain
        # One X serves all: its leading block that of the retain set, its bound of λ_min every set of distinct rows.
        inherits = plain.is_dual and self._is_dual and rows != self._distinct
        parent = self.of(self._distinct) if inherits else None
        assert parent is None or isinstance(parent, PreconditionedSystem)
        return PreconditionedSystem(plain, parent)

    def _plain(self, rows: Rows) -> DualSystem | PrimalSystem:
        index, name = self.index(rows), self._name(rows)
        if len(rows) > self.features.shape[1]:
            return self._primal(rows)
        if not self._is_dual:
            return DualSystem(self.features[index], slice(None), name)
        if self.is_preconditioned or self.repeats.lower_the_rank(rows):
            return DualSystem(self.features, index, name, self._block(rows))
        parent = self.of(self._distinct) if rows != self._distinct and self.is_regular else None
        return DualSystem(self.features, index, name, self._block(rows), self._known_factor(rows), parent)

    def _primal(self, rows: Rows) -> PrimalSystem:
        """The system of more rows than columns; of most rows its matrix is that of all less that of the others."""
        rest = range(0) if self.is_preconditioned else few_others(rows, *self.features.shape)
        less = None
        if rest:
            less = self._primal(self._everything), self._primal(rest)
        if rows not in self._primals:
            # Formed when it is asked for: some rows are only multiplied.
            formed = None if self.exponent else partial(self._formed, rows)
            self._primals[rows] = PrimalSystem(
                self.features, self.index(rows), self._name(rows), formed, less, spread()
            )
        return self._primals[rows]

    def _formed(self, rows: Rows) -> Array:
        """Φ_AᵀΦ_A as `blocked_gram` formed it for the float model, or forms it now."""
        model = float_model(self._problem)
        is_kept, shared = model.has_formed(rows), model.formed_curvature(rows)
        # Kept since before the user wrote into the features and took it back, it would be of other rows. What is formed
        # now is of the features as they are, and whether they stay so is asked of all of them after a check.
        if is_kept:
            index = None if rows == self._everything else self.index(rows)
            spot_check_curvature(self.features, shared, index, spread())
        return np.asarray(shared)

    def _name(self, rows: Rows) -> str:
        """What to call these rows of Φ in a refusal."""
        forget = range(len(self._retain), len(self._order))
        for known, name in ((self._everything, "Φ"), (self._retain, "Φ_R"), (forget, "Φ_F")):
            if rows in (known, self.repeats.distinct(known)):
                return name if rows == known else f"the matrix of the distinct rows of {name}"
        return "a block of rows"

    # -- what is known about the spectrum --------------------------------------------------------------

    def scaled_back(self, value: Fraction, power: int) -> Fraction:
        """A quantity of the scaled features times 2^(power·exponent): that of the features themselves."""
        return value * Fraction(2) ** (power * self.exponent)

    @cached_property
    @ieee_proof()
    def min_eigenvalue(self) -> Quantity:
        """λ_min of K = ΦΦᵀ (n ≤ D) or of ΦᵀΦ (n > D), the square of Φ's smallest singular value that is not zero.

        For n ≤ D its floor holds for K_RR and for the Schur complement S as well. A positive floor proves full rank, of
        the distinct rows where some are equal.

        Returns:
            The enclosure, with a positive floor.

        Raises:
            UndecidedError: full rank is not proved.
        """
        system = self.everything
        low, high = (self.scaled_back(end, 2) for end in (system.smallest, system.smallest_above))
        return Quantity.enclosure(low, high).outward()

    @cached_property
    @ieee_proof()
    def max_eigenvalue(self) -> Quantity:
        """λ_max of the same matrix: at least its largest diagonal entry, at most its smallest easy norm."""
        system = self.everything
        low = max(Fraction(0), exact(float(system.matrix.diagonal().max())) - system.error)
        return Quantity.enclosure(self.scaled_back(low, 2), self.scaled_back(system.largest, 2))

    @cached_property
    @ieee_proof()
    def retain_min_eigenvalue(self) -> Fraction:
        """A sharper lower bound of λ_min(K_RR) (of Φ_RᵀΦ_R when n_R > D), at the price of its own Cholesky.

        Returns:
            The bound, at least that of λ_min(K).

        Raises:
            UndecidedError: full rank of Φ_R is not proved.
        """
        system = self.retained
        own = smallest_eigenvalue_bound(system.matrix, system.error, system.estimate[0])
        return self.scaled_back(system.smallest if own is None else max(own, system.smallest), 2)


def exact_floats(name: str, values: Array) -> Array:
    """The array itself when it is float64 or float32; float64 when it converts exactly.

    Args:
        name: what to call it in a refusal.
        values: floats, integers or Fractions.

    Returns:
        A float array of the same numbers.

    Raises:
        UndecidedError: Fractions, or integers that float64 does not hold.

    Example:
        >>> exact_floats("y", np.array([1, 2]))
        array([1., 2.])
    """
    if values.dtype in (np.float64, np.float32):
        return values
    if is_float64(values):
        return values.astype(np.float64)
    raise UndecidedError(
        f"{name} are not exactly float64", "rational arithmetic takes them as they are", climbs=True
    )
