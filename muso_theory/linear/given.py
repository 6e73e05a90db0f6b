"""What a problem is made of, as numbers, and what is told of how it was read."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..arrays import Array, forget_indices, plain_array, real_array, refuse_another_order
from ..errors import BadInputError, expected
from ..machine import memory
from ..rows import ByRows
from ..stored import Stored, is_stored, stored_shape, told_in_words
from ..targets import MOST_CLASSES, decide_targets
from ..understood import Understood
from .feature_map import FeatureMap
from .fitting import fitted, map_words, reads_the_batch, ruling
from .repeats import first_equal_rows, repeats_told

__all__ = [
    "by_rows",
    "completed",
    "features_and_words",
    "opened",
    "require_rows",
    "rows_a_sample",
    "start_and_words",
    "taken_arrays",
    "targets_and_words",
]


def features_and_words(
    X: Any, feature_map: Any, fit_map: Any, forget: object
) -> tuple[Array, Any, str, list[Understood]]:
    """Features of samples, the fitted map that made them, what it was fitted on, and what is told of both."""
    if feature_map is None:
        if not (isinstance(fit_map, str) and fit_map == "retain"):
            got = "beside no feature map"
            raise expected(
                "nothing to fit", "fit_map", type(fit_map).__name__, got, "feature_map=…, or no fit_map"
            )
        features = X if is_stored(X) else plain_array("X", X)
        # Jacobians are features that were made elsewhere; of samples the identity makes them here.
        fitted_on = "unknown" if len(features.shape) > 2 else "nothing"
        told = [Understood("map", "none: the features are the input itself", "default", "--features")]
        return features, None, fitted_on, told
    made, fitted_on, words = fitted(feature_map, X, forget, fit_map)
    features = plain_array("feature_map.transform(X)", made.transform(X))
    if reads_the_batch(made, X, features, forget):
        fitted_on = "all"
        words = "what it is given: features of a sample depend on those beside it"
    usual = isinstance(fit_map, str) and fit_map == "retain"
    told = [
        Understood("map", map_words(made), "given", "--features"),
        Understood("map fitted on", words, "default" if usual else "given", "--fit-map"),
    ]
    samples = plain_array("X", X)
    if isinstance(made, FeatureMap) and hasattr(made, "n_features"):  # of a kernel, which sees distances
        widest = ruling(samples, list(map(str, getattr(X, "columns", ()))))
        told += [Understood("scale", widest, "inferred", "sklearn's StandardScaler")] if widest else []
    return _alike(samples, features), made, fitted_on, told


def start_and_words(w_init: Any, shape: tuple[int, ...], seed: int) -> tuple[Any, list[Understood]]:
    """w₀ of a word, drawn where it says so, and what is told of it; anything but a word as it is."""
    if not isinstance(w_init, str):
        return w_init, []
    if w_init not in ("zero", "normal"):
        raise expected("'zero', 'normal' or an array", "w_init", w_init, "str", "'normal' with a seed")
    draw = np.random.default_rng(seed).standard_normal if w_init == "normal" else np.zeros
    words = f"standard normal, seed {seed}" if w_init == "normal" else "zero"
    return draw(shape), [Understood("w₀", words, "given", "--w-init")]


def targets_and_words(y: Any, task: str | None, dimensions: int, w_init: Any) -> tuple[Any, list[Understood]]:
    """Targets as numbers, classes encoded, and what they were taken for."""
    if isinstance(y, ByRows):  # encoded already
        if task == "classification":
            hint = "the classes themselves, or no task for columns that are encoded already"
            raise expected("one class a sample", "y", y.shape, "several columns", hint)
        return y, []
    values = plain_array("y", y)
    if values.dtype == object and values.ndim == 1:  # as pandas keeps text
        odd = [i for i, word in enumerate(values) if not isinstance(word, str)]
        if not odd:
            values = values.astype(np.str_)
        elif 2 * len(odd) < len(values):
            row, hint = odd[0], "a word there, too, or leaving out that sample"
            raise expected(
                "a word, as in most rows,", f"y[{row}]", values[row], f"row {row}, counted from 0", hint
            )
    if values.ndim == 2 and values.shape[1] == 1 and dimensions == 2:
        column, told = targets_and_words(
            values[:, 0], task, dimensions, None if w_init is None else np.ravel(w_init)
        )
        return (column[:, None] if column.ndim == 1 else column), told
    if values.dtype.kind != "U" or values.ndim != 1:
        values = real_array("y", values, (1, 2))
        if values.ndim > 1 and task == "classification":
            hint = "one column of integers or text, or no task for columns that are encoded already"
            raise expected("one class a sample", "y", values.shape, "several columns", hint)
        if values.ndim > 1 or (task is None and len(np.unique(values)) < 2):
            return values, []
    # An array w₀ of one column belongs to targets of one column, so to the numbers as they are.
    begins = not isinstance(w_init, str | None) and np.ndim(w_init) == 1 and dimensions == 2
    why = "as given, since w_init belongs to them" if begins else ""
    decided = decide_targets(values, task, "y", as_given=why)
    if not decided.classes:
        return values, [decided.understood]
    # Whole numbers stay exact.
    return (decided.y if values.dtype.kind == "f" else decided.y.astype(np.int64)), [decided.understood]


def _alike(X: Array, features: Array) -> Array:
    """The same features for equal samples, which products in floats may round apart, by where in X they are."""
    if X.ndim != 2 or X.dtype.kind not in "iuf" or len(X) != len(features):
        return features
    first = first_equal_rows(X)
    return features if (first == np.arange(len(first))).all() else features[first]


def by_rows(features: Array, targets: Array, forget: object) -> tuple[Array, Array, Array]:
    """Jacobians of k outputs as n·k rows, with the rows of every sample to forget."""
    n, k, d = features.shape
    if targets.shape != (n, k) and not (k == 1 and targets.shape == (n,)):
        raise expected(
            f"a target for each sample and output of the Jacobians {features.shape}",
            "targets.shape",
            targets.shape,
            f"{targets.ndim}-dimensional",
            f"targets of shape {(n, k)}",
        )
    samples = forget_indices(forget, n)
    rows = (samples[:, None] * k + np.arange(k)).ravel()
    return features.reshape(n * k, d), targets.reshape(n * k), rows


def opened(name: str, values: Any) -> Any:
    """What a path of a ``.npy`` file holds, as a memory map that is read where it is needed; else what was given.

    Raises:
        BadInputError: no such file, or another kind of file.

    Example:
        >>> opened("features", [[1.0, 2.0]])
        [[1.0, 2.0]]
    """
    if not isinstance(values, str | os.PathLike):
        return values
    what, hint = "an array, or the path of one in a .npy file", "numpy.save(path, array)"
    try:
        found: Any = np.load(values, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        if os.path.isdir(values):
            what, hint = "an array, or the path of a .npy file", "zarr.open(path), of what zarr has written"
        raise expected(what, name, str(values), str(error), hint) from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise expected(what, name, str(values), type(found).__name__, hint)
    return found


def require_rows(name: str, values: Any) -> None:
    """Refuse what numpy would take for a single thing though its author meant rows: an iterator, and half a store.

    Where a function that yields rows is taken, it has been called before.

    Args:
        name: of the argument.
        values: what came, no path.

    Raises:
        BadInputError: an iterator, which can be gone through once only; a function; or what gives rows by slices, but
            lacks what a store has, and is no sequence.

    Example:
        >>> require_rows("features", iter([[1.0], [2.0]]))
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a function that yields blocks of rows but got features=...
    """
    kind = type(values).__name__
    if isinstance(values, Iterator):
        whose = getattr(values, "__name__", "blocks")
        hint = f"mt.UnlearningProblem(features={whose}, …), the function without calling it"
        raise expected("a function that yields blocks of rows", name, kind, "gone through once", hint)
    if callable(values) and not hasattr(values, "__array__"):
        hint = "mt.UnlearningProblem(features, y, forget), which takes a function of blocks of rows"
        raise expected("an array, or the path of one", name, kind, "a function", hint)
    words = ("__getitem__", "__len__", "__array__", "__array_interface__", "__dlpack__")
    if [word for word in words if hasattr(values, word)] == ["__getitem__"] and not is_stored(values):
        lacking = [word for word in ("shape", "dtype", "chunks") if not hasattr(values, word)]
        got = f"without {', '.join(lacking)}" if lacking else f"shape {values.shape}"
        what, hint = (
            "what has a shape (n, D), dtype, chunks and rows by slices",
            "chunks = (rows, D), or an array",
        )
        raise expected(what, name, kind, got, hint)


def _stacked(blocks: Callable[[], Any], rows: int) -> Array:
    """Blocks of rows under each other, copied one at a time into an array of a row for each target."""
    filled, found, given = 0, np.empty((0, 0)), blocks()
    if not isinstance(given, Iterable):
        what, hint = "a function that yields blocks of rows", "yield block, for each"
        raise expected(what, "features()", given, type(given).__name__, hint)
    for number, values in enumerate(given):
        name = f"features()[{number}]"
        block = real_array(name, values, (2, 3))
        if number == 0:
            found = _room(rows, block)
        if block.shape[1:] != found.shape[1:] or block.dtype != found.dtype:
            what = f"blocks of one kind, (m, {', '.join(map(str, found.shape[1:]))}) of {found.dtype},"
            raise expected(what, name, block.shape, f"dtype {block.dtype}", "the same of every block")
        if filled + len(block) > rows:
            what, got = f"{rows} rows in all, one a target,", f"{filled} rows before it"
            raise expected(what, name, block.shape, got, "as many targets as rows, in their order")
        found[filled : filled + len(block)] = block
        filled += len(block)
    if filled < rows:
        what, hint = f"{rows} rows in all, one a target,", "a function whose every call begins anew"
        raise expected(what, "features()", filled, "rows", hint)
    return found


def _room(rows: int, block: Array) -> Array:
    """An array for rows like those of a block, if this machine has the memory."""
    shape = (rows, *block.shape[1:])
    hint = "blocks written into numpy.lib.format.open_memmap('features.npy', 'w+', shape=…), and its path"
    _require_room("features()", shape, block.dtype, hint)
    return np.empty(shape, block.dtype)


def _require_room(name: str, shape: tuple[int, ...], dtype: Any, hint: str) -> None:
    """Refuse an array that this machine has no memory for, before it is made."""
    size, most = math.prod(shape) * np.dtype(dtype).itemsize, memory()
    if size > most:
        what = f"features of at most {most:,} bytes, the memory of this machine,"
        raise expected(what, name, shape, f"{size:,} bytes", hint)


def _of_store(source: Any) -> Any:
    """Features in a store: all rows are read once, so that what is wrong with one is told before any work.

    Other numbers than floats are read into memory, where other arithmetics than float64 take them as they are.
    """
    shape = stored_shape("features", source)
    if np.dtype(source.dtype) in (np.float32, np.float64) and all(shape):
        stored = Stored("features", source)
        stored.read_all()
        return stored
    _require_room("features", shape, source.dtype, "floats, which are read by blocks")
    with told_in_words("features"):
        return np.asarray(source[:])


def rows_a_sample(n_rows: int, targets: Any, tangent: Any) -> int:
    """How many rows of Φ a sample has: k where it stands for a network, or came as Jacobians, of k outputs."""
    if tangent is not None:
        return int(tangent.outputs.shape[1])
    return n_rows // len(opened("targets", targets))  # of Jacobians every sample has one row of targets


def taken_arrays(features: Any, targets: Any, forget: object, w_init: Any) -> dict[str, Array | None]:
    """The arrays of a problem as it keeps them: not copied, not cast, of shapes that fit."""
    refuse_another_order("targets", targets, getattr(features, "index", None), "features.index")
    if not isinstance(targets, ByRows):
        targets = real_array("targets", opened("targets", targets), (1, 2))
    if callable(features) and not hasattr(features, "__array__"):
        features = _stacked(features, len(targets))
    require_rows("features", features)
    features = _of_store(features) if is_stored(features) else opened("features", features)
    if not isinstance(features, ByRows):
        features = real_array("features", features, (2, 3))
    if features.ndim == 3:
        features, targets, forget = by_rows(features, targets, forget)
    if not features.size:
        raise expected(
            "at least one sample and one feature", "features", features.shape, "shape", "more data"
        )
    if len(targets) != len(features):
        turned = features.ndim == 2 and len(targets) == features.shape[1]
        hint = "features.T, if its columns are the samples" if turned else "one target row for each sample"
        raise BadInputError(
            f"expected as many targets as feature rows but got targets of shape {targets.shape} and features of "
            f"shape {features.shape}; try {hint}"
        )
    if targets.ndim == 2 and targets.shape[1] == 0:
        raise expected("at least one output", "targets", targets.shape, "shape", "a column a output")
    rows = forget_indices(forget, len(features))
    rows.flags.writeable = False
    if w_init is not None:
        w_init = real_array("w_init", w_init, (1, 2))
        wanted = (features.shape[1], *targets.shape[1:])
        if w_init.shape != wanted:
            raise BadInputError(
                f"expected w_init of shape {wanted} (features {features.shape}, targets {targets.shape}) but got "
                f"w_init of shape {w_init.shape}; try None for zero, or one parameter a feature and output"
            )
    return {"features": features, "targets": targets, "forget": rows, "w_init": w_init}


def completed(
    rows: tuple[Understood, ...],
    targets: Array,
    w_init: Array | None,
    forget: Array,
    first_equal: Array,
    of_network: bool,
    outputs: int,
) -> tuple[Understood, ...]:
    """What is understood, with what every problem can say of itself."""
    zero = w_init is None
    own: tuple[Understood, ...] = (
        Understood("outputs", str(1 if targets.ndim == 1 else targets.shape[1]), "given", "targets"),
        Understood("w₀", "zero, assumed" if zero else "an array", "default" if zero else "given", "--w-init"),
        Understood("forget", f"{len(forget)} of {len(targets)} rows", "given", "--forget"),
        *repeats_told(first_equal, targets, forget, outputs),
    )
    words = {row.word for row in rows}
    if "task" not in words and not of_network and (few := _few_integers(targets)):
        # Encoded or not, two classes are two numbers; of more, a regression takes their codes for sizes.
        hint = "classes need UnlearningProblem.from_data"
        told = f"regression on the numbers as given, {few} distinct integers; {hint}"
        own = (Understood("task", told, "default", "--task"), *own)
    return (*rows, *(row for row in own if row.word not in words))


def _few_integers(targets: Array) -> int:
    """How many distinct integers one column of targets has, if it is more than two and few; else 0."""
    if targets.ndim > 1:
        return _few_integers(targets[:, 0]) if targets.shape[1] == 1 else 0
    if not (targets == np.floor(targets)).all():
        return 0
    distinct = len(np.unique(targets))
    return distinct if 2 < distinct <= MOST_CLASSES and 2 * distinct <= len(targets) else 0
