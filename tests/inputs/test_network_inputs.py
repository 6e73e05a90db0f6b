"""Samples of a file in the shape that a network takes: as rows and as images, the same for each command."""

from __future__ import annotations

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.inputs import prepare
from muso_theory.inputs.networks import prepare_network
from muso_theory.networks import cnn, save
from muso_theory.options import Source


@pytest.mark.parametrize("shape", [(12, 16), (12, 4, 4, 1)])
def test_rows_and_images_fit_a_network_in_each_command(tmp_path, shape):
    net, rng = cnn((4, 4, 1), [2], 1), np.random.default_rng(0)
    save(tmp_path / "net.npz", net, net.init(0))
    X = rng.standard_normal((12, 16))
    np.savez(tmp_path / "data.npz", X=X.reshape(shape), y=X[:, 0], forget=[3])
    source = Source(str(tmp_path / "data.npz"), network=str(tmp_path / "net.npz"))
    assert np.array_equal(prepare(source).problem.tangent.inputs, X.reshape(12, 4, 4, 1))
    assert np.array_equal(prepare_network(source, {"epochs": 1}).problem.X, X.reshape(12, 4, 4, 1))


def test_rows_that_do_not_fit_are_refused_alike(tmp_path):
    net = cnn((4, 4, 1), [2], 1)
    save(tmp_path / "net.npz", net, net.init(0))
    np.savez(tmp_path / "data.npz", X=np.eye(15), y=np.arange(15) / 2, forget=[3])
    source = Source(str(tmp_path / "data.npz"), network=str(tmp_path / "net.npz"))
    for door in (prepare, lambda source: prepare_network(source, {"epochs": 1})):
        with pytest.raises(BadInputError, match=r"a network of 15 inputs .* a network made for these inputs"):
            door(source)


def test_images_with_channels_first_are_no_images_of_the_network(tmp_path):
    net, rng = cnn((4, 4, 3), [2], 1), np.random.default_rng(0)
    save(tmp_path / "net.npz", net, net.init(0))
    X = rng.standard_normal((12, 3, 4, 4))
    source = Source(str(tmp_path / "data.npz"), network=str(tmp_path / "net.npz"))
    np.savez(tmp_path / "data.npz", X=X, y=X[:, 0, 0, 0], forget=[3])
    for door in (prepare, lambda source: prepare_network(source, {"epochs": 1})):
        with pytest.raises(
            BadInputError, match=r"images 4×4×3, .* X=images 3×4×4 .* np.moveaxis\(X, 1, -1\)"
        ):
            door(source)
    np.savez(tmp_path / "data.npz", X=np.moveaxis(X, 1, -1), y=X[:, 0, 0, 0], forget=[3])
    assert np.array_equal(prepare(source).problem.tangent.inputs, np.moveaxis(X, 1, -1))


@pytest.mark.parametrize(("classes", "outputs"), [(0, 1), (2, 1), (2, 2), (3, 3)])
def test_classes_in_several_outputs_are_trained_as_classes(tmp_path, classes, outputs):
    """And the line about the problem says of how many outputs it is."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 4))
    y = np.array(["uvw"[i % classes] for i in range(12)]) if classes else X[:, 0] / 3
    np.savez(tmp_path / "data.npz", X=X, y=y, forget=[3])
    source = Source(str(tmp_path / "data.npz"), network=f"mlp:4-3-{outputs}:tanh")
    made = prepare_network(source, {"epochs": 1})
    assert made.problem.recipe.loss == ("cross-entropy" if outputs > 1 else "squared")
    assert made.classes is bool(classes)
    assert made.problem.targets.shape == (12, outputs)
    assert (f", {outputs} outputs" in made.title) is (outputs > 1)
    assert f"n = 12, {made.problem.net.n_params} parameters" in made.title
    assert made.title.endswith(", 1 to forget")
