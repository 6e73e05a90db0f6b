"""Features and Jacobians of deep models, as files of one array each: checked, unlearned, swept, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verification.commands import muso


def deep(folder: Path) -> dict[str, Path]:
    """Features and Jacobians of a deep model, with their targets, as files of one array each and as archives."""
    rng = np.random.default_rng(3)
    classes = np.arange(24) % 3
    arrays = {
        "features": rng.standard_normal((24, 7)),
        "jacobians": rng.standard_normal((24, 3, 90)),
        "y": classes,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        if name != "y":
            np.savez(folder / f"{name}.npz", features=array, y=classes)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["features", "jacobians"])
def test_an_array_and_a_file_of_its_targets_are_an_archive_of_both(name: str, tmp_path: Path) -> None:
    files, words = deep(tmp_path), ("--forget", "class:1", "--claim", "exact-labels", "--claim", "label-free")
    told = muso(
        "check", files[f"{name}.npy"], "--target", files["y.npy"], *words, "--json", tmp_path / "r.json"
    )
    archive = muso("check", files[f"{name}.npz"], *words)
    assert told.status == archive.status == (3 if name == "features" else 0)
    # Heads with more samples than features: label-free says nothing, exact labels are exact all the same.
    assert ("VACUOUS    label-free" in told.out) is (name == "features")
    assert "CERTIFIED  exact-labels" in told.out
    cut = slice(told.out.index("Verdict "), None)
    assert told.out[cut] == archive.out[archive.out.index("Verdict ") :]
    assert "array y.npy (24,)" in told.out
    assert muso("recheck", tmp_path / "r.json", files[f"{name}.npy"]).status == 0
    np.save(files["y.npy"], (np.arange(24) + 1) % 3)
    changed = muso("recheck", tmp_path / "r.json", files[f"{name}.npy"])
    assert changed.status == 1
    assert "input.sha256" in changed.out + changed.err


@pytest.mark.parametrize("name", ["features.npy", "jacobians.npy"])
def test_features_of_a_deep_model_are_unlearned_labelled_and_swept(name: str, tmp_path: Path) -> None:
    files = deep(tmp_path)
    data = (files[name], "--target", files["y.npy"], "--forget", "rows:0-3")
    unlearned = muso("unlearn", *data, "--method", "exact-labels")
    assert unlearned.status in (0, 3), unlearned.err
    assert "CERTIFIED  exact-labels[w_unlearned]" in unlearned.out
    assert muso("labels", *data, "--output", tmp_path / "labels.npz").status == 0
    assert np.load(tmp_path / "labels.npz")["labels"].shape == (4, 3)
    swept = muso(
        "sweep", *data, "--over", "ridge", "--values", "0.1", "--seeds", "1", "--json", tmp_path / "s.json"
    )
    assert swept.status in (0, 3), swept.err
    refused = muso("sweep", *data, "--over", "n-features", "--json", tmp_path / "s.json", "--force")
    assert refused.status == 2
    assert "try data with X in it, or --over subset" in refused.err


def test_a_file_of_targets_is_refused_with_what_helps(tmp_path: Path) -> None:
    files = deep(tmp_path)
    np.save(tmp_path / "short.npy", np.arange(23) % 3)
    np.save(tmp_path / "four.npy", np.arange(24) % 4)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name, target, words in (
        ("features.npy", None, "--target y.npy, where all of features.npy is features"),
        ("features.npy", "y.npz", "--target y.npy, where all of features.npy is features"),
        ("jacobians.npy", None, "--target y.npy, of shape (24, 3)"),
        ("features.npy", tmp_path / "short.npy", "try y with 24 rows"),
        ("jacobians.npy", tmp_path / "four.npy", "one target per sample and output, shape (24, 3)"),
        ("features.npy", tmp_path / "absent.npy", "No such file"),
        ("features.npy", tmp_path / "objects.npy", "never pickled objects"),
        ("features.npz", files["y.npy"], "no --target here"),
    ):
        refused = muso("check", files[name], *([] if target is None else ["--target", target]))
        assert refused.status == 2
        assert words in refused.err
    kept = muso(
        "check", files["features.npy"], "--target", files["y.npy"], "--json", files["y.npy"], "--force"
    )
    assert kept.status == 2
    assert "read by this command" in kept.err
