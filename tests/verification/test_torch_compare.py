"""The comparison with torchvision: skipped in words without it, and a difference is a failure."""

from __future__ import annotations

import sys

import pytest

from verification import torch_compare
from verification.campaign import Options


def test_without_torch_it_is_skipped_in_words():
    found = torch_compare.run(True, Options())
    assert found["failed"] == 0
    assert "skipped: --peer torch=PYTHON" in found["verdict"]
    assert torch_compare.tabulate(found)["models"]


@pytest.mark.parametrize(("kernel", "failed"), [(1e-12, 0), (1e-6, 1), (float("nan"), 1), (None, 1)])
def test_a_difference_or_a_peer_that_fails_is_a_failure(kernel, failed, monkeypatch):
    one = {"float64": 1e-15, "float32": 1e-7} | ({} if kernel is None else {"kernel": kernel})
    monkeypatch.setattr(torch_compare, "measure_points", lambda *args, **settings: [one])
    found = torch_compare.run(True, Options(peers={"torch": sys.executable}))
    assert found["failed"] == failed


def test_models_are_those_with_published_names():
    for point in torch_compare.points():
        net = torch_compare.MODELS[point["model"]](2, (32, 32, 3))
        assert net.n_out == 2
