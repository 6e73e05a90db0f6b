"""The words that decide which problem a command speaks about: one list, shared by commands, reports and rechecks."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, get_type_hints

import typer

from .map_names import FEATURE_MAPS

__all__ = ["USUAL_MAP", "Arithmetics", "Data", "Force", "Source", "takes_source"]


class Arithmetics(enum.StrEnum):
    """Arithmetics by name."""

    auto = "auto"
    float64 = "float64"
    ball = "ball"
    rational = "rational"


USUAL_MAP = "gaussian"
"""The map where nothing was said and the source brings no features."""

Features = enum.StrEnum("Features", [(word, word) for word in FEATURE_MAPS])  # type: ignore[misc]


class _Tasks(enum.StrEnum):
    """What targets are."""

    regression = "regression"
    classification = "classification"


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, breast_cancer, mnist, a file (.npz, .npy, .csv, .xlsx, .parquet, .feather), a folder of "
        "zarr, or - for standard input.",
    ),
]
"""The argument that every command about data takes."""


Force = Annotated[
    bool, typer.Option("--force", help="Write over files of another kind; never over what is read.")
]
"""The option of every command that writes."""


def _option(default: Any, words: str, choices: type[enum.StrEnum] | None = None) -> Any:
    """A field with its help and, where only some words are allowed, these."""
    return field(default=default, metadata={"help": words, "choices": choices})


@dataclass(frozen=True)
class Source:
    """The words of a command that decide which problem it speaks about; stored in reports so that it can be repeated.

    Args:
        data: name, path or ``-``.
        classes: class selection or None.
        target: name of the target column; its number, from 0, for a single matrix; for features in an .npy file the
            .npy file of their targets.
        task: "regression", "classification" or None, which infers it from the targets.
        drop: columns that are no features.
        columns: the feature columns, when not all of them.
        index: the column that names the samples.
        sheet: of an Excel file.
        encoding: of a text file.
        dense: fill in the zeros of sparse data.
        features: a word of ``FEATURE_MAPS``; None is gaussian, or none where the source brings features.
        n_features: D.
        bandwidth: "median" or a number as text.
        fit_map: what feature map, bandwidth and scaler are fitted on: "retain", "all" or "public:FILE".
        forget: forget specification; None is the source's own, else a random tenth.
        w_init: "zero", "normal" or an .npy file, unless the source brings w₀; None assumes zero.
        standardize: scale every input column to mean 0 and standard deviation 1 first.
        seed: seed of features, w₀ and forget set.
        features_precision: digits at which the feature map is evaluated again, to bound how far its float features are
            from it; None takes the floats as the data.
        audit: an .npz file with labels, w_unlearned or w_pretrained to be audited, and w_init where training began
            elsewhere than at zero.
        network: ``mlp:64-256-1:erf`` or an .npz file; its tangent at initialisation takes the place of a feature map.

    Example:
        >>> Source("digits").fit_map
        'retain'
    """

    data: str
    classes: str | None = _option(None, "Classes to keep, e.g. 3,7; merged tasks as 1,3,5|0,2,4 or odd-even.")
    target: str | None = _option(
        None,
        "Target column; its number, from 0, for a .npy matrix, or a .npy file of the targets of features in DATA. "
        "[default: y, target, label, class or the last]",
    )
    task: str | None = _option(
        None,
        "What the targets are. [default: text, and integers of at most 20 values that occur twice on average, are "
        "classes; told]",
        _Tasks,
    )
    drop: tuple[str, ...] = _option((), "A column that is no feature; repeatable.")
    columns: tuple[str, ...] = _option((), "A feature column, when not all are; repeatable.")
    index: str | None = _option(None, "The column that names the samples, which is no feature.")
    sheet: str | None = _option(None, "Sheet of an Excel file. [default: the first]")
    encoding: str | None = _option(None, "Encoding of a text file. [default: UTF-8]")
    dense: bool = _option(False, "Fill in the zeros of sparse data.")
    features: str | None = _option(
        None, "Feature map. [default: gaussian; none where the data bring their features]", Features
    )
    n_features: int = _option(5000, "Number of random features D.")
    bandwidth: str = _option("median", "'median' or a positive number.")
    fit_map: str = _option(
        "retain", "Samples that feature map, bandwidth and scaler are fitted on: retain, all or public:FILE."
    )
    forget: str | None = _option(
        None,
        "class:7, subclass:3, random:0.1, random:25, column, column:NAME, rows:0,4-9 or retain:300. "
        "[default: the source's own, else random:0.1]",
    )
    w_init: str | None = _option(
        None,
        "Initial parameters w₀, unless the data bring them: zero, normal or an .npy file. [default: zero, assumed]",
    )
    standardize: bool = _option(False, "Scale input columns to mean 0 and standard deviation 1 first.")
    seed: int = _option(0, "Seed of features, w₀, forget set and checks.")
    features_precision: int | None = _option(
        None,
        "Evaluate the feature map again at this many digits and bound how far the float features are from it.",
    )
    audit: str | None = _option(
        None,
        "Audit what this .npz file holds of w_unlearned, labels, w_pretrained; it may hold w_init, too. "
        "Output of unlearn -o and labels -o fits.",
    )
    network: str | None = _option(
        None, "mlp:64-256-1:erf or an .npz file, linearised at its parameters; unlearn trains it instead."
    )

    @property
    def files(self) -> tuple[str, ...]:
        """What is read, where these are files: data, targets, network, public samples, w₀ and what is audited."""
        found = (
            self.data,
            self.target,
            self.network,
            self.fit_map.partition("public:")[2],
            self.w_init,
            self.audit,
        )
        return tuple(name for name in found if name)

    def __post_init__(self) -> None:
        """Lists, as JSON has them, are kept as tuples."""
        for name in ("drop", "columns"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)


def takes_source(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that takes a :class:`Source` the options that make one, each with its default there."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        hints = get_type_hints(Source)
        stated = [f for f in fields(Source) if f.name not in without]
        shared = [_parameter(f, hints[f.name]) for f in stated]

        @functools.wraps(command)
        def run(**words: Any) -> None:
            chosen = {f.name: _plain(words.pop(f.name), f.default) for f in stated}
            command(Source(**chosen), **words)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*shared, *own)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _parameter(f: Any, hint: Any) -> inspect.Parameter:
    """One field of the source as a parameter that typer understands."""
    name, kind = f.name, inspect.Parameter.KEYWORD_ONLY
    if name == "data":
        return inspect.Parameter(name, kind, annotation=Data)
    choices, default = f.metadata["choices"], f.default
    if choices is not None:
        hint = choices if default is not None else choices | None
        default = default if default is None else choices(default)
    elif isinstance(default, tuple):
        hint, default = list[str] | None, None
    option = typer.Option(f"--{name.replace('_', '-')}", help=f.metadata["help"])
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[hint, option])


def _plain(value: Any, default: Any) -> Any:
    """A value as the source stores it: words of an enumeration as text, repeated options as a tuple."""
    if value is None:
        return default
    if isinstance(value, enum.StrEnum):
        return value.value
    return tuple(value) if isinstance(value, list) else value
