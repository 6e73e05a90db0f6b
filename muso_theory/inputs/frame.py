"""From a pandas data frame to a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import forget_indices
from ..data import Choices, Table, frame_dataset, frame_samples, parse_forget
from ..errors import expected
from ..labelled import by_label, is_mask
from ..linear.fitting import ruling
from ..linear.problem import UnlearningProblem
from ..options import Source
from ..understood import How, Understood, listed
from .maps import named_map
from .said import decided
from .samples import said_to_fit

__all__ = ["from_frame"]


@checked
def from_frame(
    frame: Any,
    *,
    target: str | int | None = None,
    task: str | None = None,
    drop: Sequence[str | int] = (),
    columns: Sequence[str | int] = (),
    index: str | int | None = None,
    forget: Any = None,
    feature_map: Any = "gaussian",
    fit_map: Any = "retain",
    w_init: Any = None,
    dense: bool = False,
    seed: int = 0,
) -> UnlearningProblem:
    """Build a problem from a pandas data frame, with the names and defaults of the command line.

    Args:
        frame: features, target and, if it has one, a column ``forget``.
        target: the target column; None looks for one that is named like it, else takes the last.
        task: "regression" or "classification"; None infers it. ``problem.understood`` tells what was inferred.
        drop: columns that are no features.
        columns: the feature columns, when not all of them.
        index: the column that names the samples.
        forget: a column of yes and no, a specification such as "class:7", "random:0.1" or "column:out", a mask, whose
            labels order it, the labels of rows as a pandas Index, or row numbers from 0; None is the column ``forget``,
            else "random:0.1".
        feature_map: a name as in ``--features``, a scikit-learn transformer, or None for the columns themselves.
        fit_map: what to fit it on: "retain", "all", "public:FILE", or public samples as a frame or an array.
        w_init: None assumes zero; "zero", "normal" or an array.
        dense: fill in the zeros of sparse columns.
        seed: of the named feature maps, of w₀ and of the forget set.

    Raises:
        BadInputError: no data frame, and whatever `frame_dataset` and the problem refuse.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"id": [7, 8, 9], "a": [1.0, 2.0, 4.0], "y": [0.5, 1.5, 2.5]})
        >>> problem = from_frame(frame, forget=[2], feature_map=None)
        >>> problem.features.tolist(), problem.targets.tolist()
        ([[1.0], [2.0], [4.0]], [0.5, 1.5, 2.5])
        >>> next(row.value for row in problem.understood if row.word == "dropped")
        'id (an identifier)'
    """
    if not (hasattr(frame, "iloc") and hasattr(frame, "columns")):
        hint = (
            "frame.to_pandas()" if hasattr(frame, "to_pandas") else "UnlearningProblem.from_data for arrays"
        )
        raise expected("a pandas data frame", "frame", type(frame).__name__, "another type", hint)
    name = forget if isinstance(forget, str) and forget in frame.columns else None
    if name is None and isinstance(forget, str) and forget.partition(":")[0].strip() == "column":
        name = forget.partition(":")[2].strip() or None  # as commands say it
    choices = Choices(
        None if target is None else str(target),
        task,
        tuple(map(str, drop)),
        tuple(map(str, columns)),
        None if index is None else str(index),
        name,
        dense=dense,
    )
    dataset = frame_dataset(Table("the frame", frame, lambda row: f"row {row}, counted from 0"), "", choices)
    spec: Any = "column" if name is not None else forget
    if spec is None:
        spec = "random:0.1" if dataset.forget is None else "column"
    if isinstance(spec, str):
        indices, words = parse_forget(spec, dataset, seed)
    else:
        indices = forget_indices(_by_label(spec, frame.index), dataset.n_samples)
        words = f"rows {listed(indices.tolist(), 6)}, counted from 0: {len(indices)} of {dataset.n_samples}"
    where = ""
    if isinstance(fit_map, str):
        fit_map, where = said_to_fit(fit_map, dataset)
    elif hasattr(fit_map, "iloc"):
        public = Table("the public frame", fit_map, lambda row: f"row {row}, counted from 0")
        fit_map = frame_samples(public, dataset.columns, dense)
    transformer = (
        named_map(feature_map, 5000, "median", seed) if isinstance(feature_map, str) else feature_map
    )
    problem = UnlearningProblem.from_data(
        dataset.X,
        dataset.y,
        forget=indices,
        task=None if dataset.y.ndim > 1 else "regression",  # the reader has decided and encoded them
        feature_map=transformer,
        fit_map=fit_map,
        w_init=w_init,
        seed=seed,
    )
    how: How = "default" if forget is None else "given"
    told = [*dataset.understood, *([Understood("forget", words, how, "--forget")] if words else [])]
    if isinstance(feature_map, str):
        as_said = Source("", features=None if feature_map == "gaussian" else feature_map, seed=seed)
        told += [row for row in decided(as_said, problem, "") if row.word == "map"]
    # The problem has the numbers of the columns, not their names.
    widest = ruling(np.asarray(dataset.X), dataset.columns)
    told += [replace(row, value=widest) for row in problem.understood if row.word == "scale"]
    if where:
        told.append(Understood("map fitted on", where, "given", "--fit-map"))
    return problem.telling(*told)


def _by_label(forget: Any, index: Any) -> Any:
    """A mask or labels of pandas in the order of a frame's rows, by which a mask is ordered; anything else as it is."""
    if hasattr(forget, "iloc") and is_mask(forget):
        if not (forget.index.is_unique and len(forget) == len(index) and index.isin(forget.index).all()):
            got, hint = "a mask with another index", "forget.to_numpy() for positions"
            raise expected("a mask of the frame's rows", "forget", forget.shape, got, hint)
        forget = forget.reindex(index)
    placed = by_label(forget, {"frame.index": index})
    # Numbers that are left are positions, whatever the labels of their own.
    return placed.to_numpy() if hasattr(placed, "iloc") else placed
