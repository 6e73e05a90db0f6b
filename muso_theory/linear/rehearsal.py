"""What checks will ask for, found out by letting them run once on a model that computes nothing.

A check is a function that asks a `Model` to fit and to predict. At a rehearsal it gets a model that writes down what it
is asked, and answers with notes instead of numbers. All that was noted is then answered by the model itself, as much as
possible at a time: fits that wait for nothing, their images, the fits that wait for these. Answers are known by their
content, so a check that does something else after all finds nothing wrong, but only less at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..numbers import Quantity, UndecidedError
from ..numbers.lockstep import UNDECIDED
from .answers import LIMIT, Question, content_of
from .certified import CertifiedForms
from .model import Model, Rows

__all__ = ["UNDECIDED", "Rehearsal"]

_UNDER_WAY = 1 << 28
"""Bytes that fits under way may take; a few dozen columns at a time are nearly as cheap as all."""

_UNKNOWN = Quantity.exact(0)


@dataclass(frozen=True, eq=False, slots=True)
class _Note:
    """Something that the model was asked for.

    Args:
        number: in the order of asking.
        verb: a method of the model.
        given: its arguments, notes among them.
        after: the notes whose answers it takes to ask for this.
    """

    number: int
    verb: str
    given: tuple[Any, ...]
    after: frozenset[int]


_QUESTIONS: dict[str, Callable[..., Question]] = {
    "fit": CertifiedForms.fit_question,
    "predict": CertifiedForms.image_question,  # of all rows that are asked for together
    "square_gap": CertifiedForms.gap_question,
    "leave_block_out": CertifiedForms.block_question,
    "dual_coefficients": CertifiedForms.dual_question,
}
"""The verbs that take products with Φ, and can be answered together."""


@final
class Rehearsal(Model):
    """A model that notes what it is asked, to have it answered by another.

    Args:
        model: that one.

    Example:
        >>> from muso_theory.linear.problem import UnlearningProblem
        >>> model = CertifiedForms(UnlearningProblem(np.eye(2, 3), np.array([1.0, 2.0]), [1]))
        >>> rehearsal = Rehearsal(model)
        >>> _ = rehearsal.distance(rehearsal.unlearned(rehearsal.optimal_labels), rehearsal.retrained)
        >>> rehearsal.perform()  # w_p and w_r, then the labels, then w_u
        [2, 1, 1]
    """

    name = "rehearsal"
    is_exact = False

    def __init__(self, model: CertifiedForms) -> None:
        super().__init__(model.problem)
        self._model = model
        self._notes: dict[Any, _Note] = {}
        self._answers: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        """Nothing else is known, which ends a rehearsal as what is undecided does."""
        raise _unknown()

    def _note(self, verb: str, *given: Any, later_than: tuple[_Note, ...] = ()) -> _Note:
        """Write down what is asked; the same thing once."""
        known_by = (verb, *(it.number if isinstance(it, _Note) else _token(it) for it in given))
        if known_by not in self._notes:
            after: set[int] = set()
            for it in (*given, *later_than):
                if isinstance(it, _Note):
                    after |= {it.number} if it.verb in _QUESTIONS else it.after
            self._notes[known_by] = _Note(len(self._notes), verb, given, frozenset(after))
        return self._notes[known_by]

    # -- what is noted ---------------------------------------------------------------------------------

    def targets(self, rows: Rows) -> Any:
        """The labels y of the given positions."""
        return self._note("targets", rows)

    def given(self, labels: Array) -> Any:
        """Labels from outside."""
        return self._note("given", labels)

    def stack(self, a: Any, b: Any) -> Any:
        """Labels a above labels b."""
        return self._note("stack", a, b)

    def mix(self, a: Any, x: Any, b: Any, y: Any) -> Any:
        """a·x + b·y."""
        return self._note("mix", a, x, b, y)

    @property
    def start(self) -> Any:
        """w₀."""
        return self._note("start")

    def at(self, w: Array) -> Any:
        """Parameters from outside."""
        return self._note("at", w)

    def final(self, w: Any) -> Any:
        """Parameters as labels are known."""
        return self._note("final", w)

    def fit(self, rows: Rows, targets: Any, start: Any = None, ridge: float = 0) -> Any:
        """A fit; where the model begins with w_r, after that."""
        if not ridge and len(rows) > self.problem.n_features and not self.repeats.lower_the_rank(rows):
            start = None  # least squares end at one point
        later_than = () if self._model.is_dual else self._near(targets, ridge)
        return self._note("fit", rows, targets, start, ridge, later_than=later_than)

    def _near(self, targets: Any, ridge: float) -> tuple[_Note, ...]:
        """The fit that the model begins with, of the upper ones of labels above others."""
        if targets.verb != "stack":
            return ()
        above = targets.given[0]
        fits = (note for note in self._notes.values() if note.verb == "fit" and note.given[3] == ridge)
        return tuple(note for note in fits if note.given[1] is above)[:1]

    def predict(self, rows: Rows, w: Any) -> Any:
        """Φ_rows w."""
        return self._note("predict", rows, w)

    def project(self, rows: Rows, w: Any) -> Any:
        """A fit to the image of the floats of w, as the model does it, where that takes one."""
        if self._model.keeps_all(rows):
            return self._note("project", rows, w)
        return self.fit(rows, self.predict(rows, self._note("leading", w)))

    def leave_block_out(self) -> Any:
        """The labels of the formula, which start from what retraining predicts."""
        if not self._model.systems.everything.is_invertible:
            raise _unknown()
        return self._note("leave_block_out", later_than=(self.optimal_labels,))

    def dual_coefficients(self) -> Any:
        """K_RR⁻¹(y_R − Φ_R w₀)."""
        if not self._model.systems.retained.is_invertible:
            raise _unknown()
        return self._note("dual_coefficients")

    def square_gap(self, label_error: Any) -> Quantity:
        """‖Φ⁺(0; δ)‖²."""
        self._note("square_gap", label_error)
        return _UNKNOWN

    # -- numbers, of which none is known ---------------------------------------------------------------

    def label_distance(self, a: Any, b: Any) -> Quantity:
        """Not known."""
        return _UNKNOWN

    def square_distance(self, w: Any, other: Any) -> Quantity:
        """Not known."""
        return _UNKNOWN

    def gradient_norm(self, rows: Rows, targets: Any, w: Any) -> Quantity:
        """Not known, and it takes the image."""
        self.predict(rows, w)
        return _UNKNOWN

    def residual_norm(self, rows: Rows, targets: Any, w: Any = None) -> Quantity:
        """Not known, and it takes the image."""
        if w is not None:
            self.predict(rows, w)
        return _UNKNOWN

    def pushed(self, w: Any, d: Any, ridge: float = 0) -> Any:
        """As the model has it, but where it goes by spans, and shares no product."""
        if self._model.goes_by_spans(self.everything):
            raise _unknown()
        return super().pushed(w, d, ridge)

    def rank(self, rows: Rows) -> int:
        """That of the model, which forms no product."""
        return self._model.rank(rows)

    def along_kernel(self, labels: Any) -> tuple[Any, int]:
        """The model's own, as its step takes the size of the labels; where there is no kernel they are the labels."""
        if self.rank(self.forget) == len(self.forget):
            return labels, 0
        moved, dimension = self._model.along_kernel(self._answer(labels))
        note = self._note("moved", id(moved))
        self._answers[note.number] = moved
        return note, dimension

    def full_row_rank(self, rows: Rows, suffix: str = "") -> tuple[str, Quantity, bool]:
        """Not known."""
        raise _unknown()

    @property
    def spectrum(self) -> tuple[Quantity, Quantity]:
        """Not known."""
        raise _unknown()

    @property
    def condition_number(self) -> Quantity:
        """Not known."""
        raise _unknown()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked that takes products with Φ."""
        return not any(note.verb in _QUESTIONS for note in self._notes.values())

    # -- the performance -------------------------------------------------------------------------------

    def perform(self) -> list[int]:
        """Have the model answer what was noted, in as few rounds as it can.

        Returns:
            How many questions each round answered; none if the model could not keep all answers.
        """
        left = [note for note in self._notes.values() if note.verb in _QUESTIONS]
        rounds: list[int] = []
        if self._bytes(left) > LIMIT:
            return rounds  # what is forgotten before it is asked for would be computed twice
        # A fit under way holds some ten arrays of its parameters, and of its labels if they are in memory.
        labels = self.problem.n_samples * self.problem.n_outputs
        if self._model.systems.everything.goes_by_spans(labels):
            labels = 0
        size = 80 * (labels + self.problem.n_features * self.problem.n_outputs)
        at_once = max(1, _UNDER_WAY // size)
        done: set[int] = set()
        while left:
            ready = [note for note in left if note.after <= done]
            # An image is one product, and most fits wait for some.
            ready = [note for note in ready if note.verb == "predict"] or ready
            asked = [*self._questions(ready)]
            for first in range(0, len(asked), at_once):
                self._model.prepare(asked[first : first + at_once])
            rounds.append(len(asked))
            done |= {note.number for note in ready}
            left = [note for note in left if note.number not in done]
        return rounds

    def _bytes(self, notes: Iterable[_Note]) -> int:
        """What the answers take: two floats for each parameter of a fit, three for each row of the image of a point."""
        notes = [*notes]
        fits = sum(note.verb != "predict" for note in notes)
        rows = sum(map(len, _rows_of(notes).values()))
        return (16 * self.problem.n_features * fits + 24 * rows) * self.problem.n_outputs

    def _questions(self, notes: Iterable[_Note]) -> Iterable[Question]:
        """What to ask the model, images of one point at once; those of rows that are fitted come with the fit."""
        notes = [*notes]
        seen = {id(note.given[1]) for note in self._notes.values() if note.verb == "predict"}
        for note in notes:
            if note.verb != "predict":
                words = {"with_image": True} if note.verb == "fit" and id(note) in seen else {}
                with suppress(*UNDECIDED):
                    yield _QUESTIONS[note.verb](self._model, *map(self._answer, note.given), **words)
        for w, rows in _rows_of(notes).items():
            with suppress(*UNDECIDED):
                yield self._model.image_question(tuple(sorted(rows)), self._answer(w))

    def _answer(self, it: Any) -> Any:
        """The model's answer to what was noted, or what was given itself."""
        if not isinstance(it, _Note):
            return it
        if it.number not in self._answers:
            verb: Any = getattr(self._model, it.verb)
            self._answers[it.number] = verb if it.verb == "start" else verb(*map(self._answer, it.given))
        return self._answers[it.number]


def _rows_of(notes: Iterable[_Note]) -> dict[Any, set[int]]:
    """Which rows of the image of each point are asked for."""
    found: dict[Any, set[int]] = {}
    for note in notes:
        if note.verb == "predict":
            rows, w = note.given
            found.setdefault(w, set()).update(rows)
    return found


def _token(it: Any) -> Any:
    """What an argument is known by; Fractions have no bytes, and are no floats to prepare anything with."""
    if not isinstance(it, np.ndarray):
        return it
    return id(it) if it.dtype == object else content_of(it)


def _unknown() -> UndecidedError:
    return UndecidedError("a rehearsal does not know it", "the performance does")
