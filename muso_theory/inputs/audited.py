"""What a file brings to be audited, and whether it belongs to the problem that the command speaks about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data import Dataset, parse_forget
from ..data.artefacts import Artefacts
from ..errors import expected
from ..files.reading import parse_json
from ..options import Source
from ..understood import Understood, listed

__all__ = ["audited", "making", "require_fit", "require_same_making"]


def audited(
    source: Source, handed: Artefacts, dataset: Dataset, spec: str, usual: str
) -> tuple[Dataset, str, str]:
    """Data with what is to be audited on them, and the forget set that it belongs to."""
    file = Path(str(source.audit)).name
    brought: dict[str, Any] = {}
    for name in ("labels", "w_unlearned", "w_pretrained", "w_init"):
        value = getattr(handed, name)
        if value is not None and getattr(dataset, name) is not None:
            got = f"in {dataset.name} and in {file}"
            raise expected(f"{name} from one file", "--audit", file, got, "removing it from one of them")
        brought |= {} if value is None else {name: value}
    told = Understood("audited", f"{listed(list(brought))} of {file}", "given", "--audit")
    dataset = replace(dataset, understood=(*dataset.understood, told))
    if handed.forget is not None:
        if source.forget in (None, "column") and dataset.forget is None:
            return replace(dataset, **brought, forget=handed.forget), "column", "column"
        asked, words = parse_forget(spec, dataset, source.seed)
        if asked.tolist() != handed.forget.tolist():
            got = f"{file} was made to forget {listed(handed.forget.tolist(), 6)}"
            raise expected("the forget set of what is audited", "forget", words, got, "leaving out --forget")
    elif {"labels", "w_unlearned"} & brought.keys() and source.forget is None and dataset.forget is None:
        hint = "--forget rows:…, or an array forget in that file"
        raise expected("the forget set of what is audited", "forget", None, f"{file} names none", hint)
    if "labels" in brought and dataset.forget is None:
        dataset = replace(dataset, forget=parse_forget(spec, dataset, source.seed)[0])
    return replace(dataset, **brought), spec, usual


_MAKING = (
    *("classes", "target", "task", "drop", "columns", "index", "sheet"),
    *("features", "n_features", "bandwidth", "fit_map", "standardize", "seed"),
)
"""Options that decide which problem parameters belong to, but forget set and w₀, which are stored themselves."""


def making(source: Source) -> dict[str, Any]:
    """These options as JSON has them."""
    values = {name: getattr(source, name) for name in _MAKING}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def require_same_making(source: Source, handed: Artefacts, dataset: Dataset) -> None:
    """Refuse to audit parameters on another problem than the one they were made for, as their file tells it."""
    if handed.made_with is None:
        return
    file, now = Path(str(source.audit)).name, {"data": dataset.sha256, **making(source)}
    then = parse_json(handed.made_with, "made_with", file)
    if not isinstance(then, dict) or then.keys() != now.keys():
        raise expected("what another version wrote", "made_with", file, "other options", "making it anew")
    for name, value in then.items():
        if value != now[name]:
            option = f"--{name.replace('_', '-')}"
            if name == "data":
                got, hint = "other data than these", "the data that it was made of"
            else:
                got = f"made with {value}" if value not in (None, []) else "made without"
                said = (
                    " ".join(f"{option} {word}" for word in value)
                    if isinstance(value, list)
                    else f"{option} {value}"
                )
                hint = (
                    f"leaving out {option}"
                    if value in (None, [], False)
                    else option
                    if value is True
                    else said
                )
            raise expected(f"the problem of {file}", name.replace("_", "-"), now[name], got, hint)


def require_fit(dataset: Dataset, n_features: int, file: str) -> None:
    """Refuse parameters that cannot be those of the features, which only the options of their map make the same."""
    for name in ("w_unlearned", "w_pretrained", "w_init"):
        array = getattr(dataset, name)
        if array is not None and len(array) != n_features:
            hint = "--features, --n-features, --bandwidth and --seed as they were when it was made"
            raise expected(f"{n_features} parameters an output", name, array.shape, Path(file).name, hint)
