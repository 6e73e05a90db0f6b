"""What an alternation leaves behind: parameters, what was watched on the way, and the signs that it went wrong."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, plain_array
from ..errors import expected
from ..former import former
from .head import HeadCondition

__all__ = ["AlternatingResult", "Convergence", "Epoch", "FailureSign", "signatures"]
former(__name__)


class Convergence(enum.Enum):
    """How an alternation ended, measured; the value is the explanation."""

    DIVERGED = (
        "the loss left the finite numbers, or the retained loss is ten times that of an untrained network"
    )
    UNSETTLED = "labels or parameters still moved by more than the tolerance in the last epoch"
    SETTLED = "labels and parameters moved by less than the tolerance in the last epoch"

    def __repr__(self) -> str:
        return f"Convergence.{self.name}"


class FailureSign(enum.Enum):
    """Signs of failure, measured; the value is the explanation."""

    POOR_KERNEL = "the tangent kernel turned away from its start, so a linear view of the network misleads"
    UNSTABLE_LABELS = "labels change no less in the second half of the epochs than in the first"
    NOT_CONVERGED = "the alternation ended unsettled or diverged, or left the finite numbers under way"
    LEAKAGE = "the membership attack does better than on the retrained model, intervals apart"
    OVER_FORGETTING = (
        "the membership attack does worse than on the retrained model, intervals apart: the forget samples stand out "
        "as forgotten"
    )

    def __repr__(self) -> str:
        return f"FailureSign.{self.name}"


class _Judged(Protocol):
    """An attack that was judged, as :func:`muso_theory.evaluation.attack` gives it."""

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the interval of its AUC."""
        ...


@final
@dataclass(frozen=True)
class Epoch:
    """One round of labels and parameters.

    Args:
        ridge: ε used for this round's labels.
        label_change: ‖ŷ_t − ŷ_{t−1}‖/‖ŷ_{t−1}‖; in the first round ŷ_{t−1} are the pretrained outputs, or where batches
            are relabelled one after the other (`Published`) the targets.
        parameter_change: ‖θ_t − θ_{t−1}‖/‖θ_p − θ₀‖.
        loss: mean loss on retained and relabelled samples after the round.
        alignment: centred alignment of Θ_t with Θ₀ on a subsample; None when it is not watched.
        parameter_gap: ‖θ_t − θ_r‖/‖θ_p − θ_r‖; None when θ_r is not known.
        output_gap: the same for the outputs on the forget samples.
        rows: retained samples from which the labels were formed.
        relabelled: share of the forget samples whose last label is not the class of their target; None of one output.
        head_change: ‖head − w_p‖/‖w_p − w₀‖ (Frobenius) of the head that gives the labels of `Published`; with the
            projector on a space that holds all, about 0.
    """

    ridge: float
    label_change: float
    parameter_change: float
    loss: float
    alignment: float | None = None
    parameter_gap: float | None = None
    output_gap: float | None = None
    rows: int | None = None
    relabelled: float | None = None
    head_change: float | None = None


def signatures(
    history: Sequence[Epoch],
    convergence: Convergence,
    *,
    alignment: float = 0.9,
    tolerance: float = 1e-2,
    attack: _Judged | tuple[float, float] | None = None,
    null: _Judged | tuple[float, float] | None = None,
) -> tuple[FailureSign, ...]:
    """Signs of failure in a history.

    Args:
        history: the rounds.
        convergence: how they ended.
        alignment: below it the kernel has turned away.
        tolerance: label changes below it are no instability.
        attack: the attack on the unlearned model, or the interval of its AUC, for leakage and over-forgetting.
        null: the same on the retrained model; needed with ``attack``.

    Returns:
        Those seen, in the order of :class:`FailureSign`.

    Raises:
        BadInputError: what is no list of epochs, no convergence or no threshold; one interval without the other, or
            what is no interval within [0, 1].

    Example:
        >>> rounds = [Epoch(0.0, 0.1, 0.1, 1.0, alignment=0.99), Epoch(0.0, 0.3, 0.1, 1.0, alignment=0.5)]
        >>> signatures(rounds, Convergence.SETTLED, attack=(0.7, 0.8), null=(0.45, 0.55))
        (FailureSign.POOR_KERNEL, FailureSign.UNSTABLE_LABELS, FailureSign.LEAKAGE)
        >>> signatures([], Convergence.SETTLED, attack=(0.001, 0.03), null=(0.45, 0.55))
        (FailureSign.OVER_FORGETTING,)
    """
    if not isinstance(convergence, Convergence):
        raise expected(
            "how the rounds ended",
            "convergence",
            convergence,
            type(convergence).__name__,
            "Convergence.SETTLED",
        )
    if not isinstance(history, Sequence) or not all(isinstance(epoch, Epoch) for epoch in history):
        raise expected("epochs", "history", type(history).__name__, "type", "the history of a result")
    for name, value, most in (("alignment", alignment, 1.0), ("tolerance", tolerance, math.inf)):
        given: object = value
        if (
            isinstance(given, bool) or not isinstance(given, Real) or not 0 <= value <= most
        ):  # also NaN is refused
            raise expected(f"a threshold from 0 to {most:g}", name, value, "number", "the default")
    attack, null = _ends("attack", attack), _ends("null", null)
    if (attack is None) != (null is None):
        name = "null" if null is None else "attack"
        raise expected(
            "both intervals, of the unlearned and the retrained model", name, None, "missing", name
        )
    found = []
    # Comparisons with NaN are false, so each asks whether all is well: a history of NaN shows every sign.
    if not all(epoch.alignment is None or epoch.alignment >= alignment for epoch in history):
        found.append(FailureSign.POOR_KERNEL)
    changes = [epoch.label_change for epoch in history]
    half = len(changes) // 2
    late, early = np.max(changes[half:], initial=0.0), np.max(changes[:half], initial=0.0)
    calm = half == 0 or late <= tolerance or late < early
    if not (calm and np.isfinite(changes).all()):
        found.append(FailureSign.UNSTABLE_LABELS)
    moved = [value for epoch in history for value in (epoch.label_change, epoch.parameter_change, epoch.loss)]
    if convergence is not Convergence.SETTLED or not np.isfinite(moved).all():
        found.append(FailureSign.NOT_CONVERGED)
    if attack is not None and null is not None:
        # An exact method matches the retrained model, so either side is a failure: a model that is surer of the forget
        # samples than retraining gives them away, and so does one that is less sure (Golatkar et al., CVPR 2020, call
        # this the Streisand effect).
        if attack[0] > null[1]:
            found.append(FailureSign.LEAKAGE)
        if attack[1] < null[0]:
            found.append(FailureSign.OVER_FORGETTING)
    return tuple(found)


def _ends(name: str, given: object) -> tuple[float, float] | None:
    """Both ends of the interval of an AUC."""
    if given is None:
        return None
    ends = plain_array(name, getattr(given, "interval", given))
    if ends.shape != (2,) or ends.dtype.kind not in "fiu" or not 0 <= ends[0] <= ends[1] <= 1:
        raise expected(
            "an attack, or an interval of AUCs within [0, 1]", name, given, "interval", "(0.45, 0.55)"
        )
    return float(ends[0]), float(ends[1])


@final
@dataclass(frozen=True, eq=False, repr=False)
class AlternatingResult:
    """What an alternation did.

    Args:
        params: θ_u; after divergence the last finite parameters.
        labels: ŷ_F of the last round, as they were fitted, (n_F, k).
        first_outputs: ŷ_F of the first round before any softmax or rounding to a class, (n_F, k).
        history: one entry a round.
        convergence: how it ended.
        head: whether label-free labels of the last layer could say anything in the first round; None when the labels
            come from the whole tangent, or from the published inverses.
    """

    params: list[Array]
    labels: Array
    first_outputs: Array
    history: tuple[Epoch, ...]
    convergence: Convergence
    head: HeadCondition | None = None

    @checked
    def signatures(self, **settings: Any) -> tuple[FailureSign, ...]:
        """Signs of failure; see :func:`muso_theory.methods.monitors.signatures` for the settings.

        Args:
            **settings: thresholds, and the attack's intervals for leakage.

        Returns:
            Those seen.
        """
        return signatures(self.history, self.convergence, **settings)

    def __repr__(self) -> str:
        lines = [f"{self.convergence.name} after {len(self.history)} epochs: {self.convergence.value}"]
        if self.history:
            last = self.history[-1]
            lines.append(
                f"last change: labels {last.label_change:.2g}, parameters {last.parameter_change:.2g}"
            )
            if last.alignment is not None:
                lines.append(f"alignment of the tangent kernel with its start: {last.alignment:.3f}")
            if last.parameter_gap is not None and last.output_gap is not None:
                gaps = f"parameters {last.parameter_gap:.3g}, outputs on F {last.output_gap:.3g}"
                lines.append(f"gap to retraining, doing nothing is 1: {gaps}")
        if self.head is not None:
            lines.append(repr(self.head))
        lines += [f"{sign.name}: {sign.value}" for sign in self.signatures()]
        return "\n".join(lines)
