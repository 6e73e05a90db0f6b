"""The campaign of layers: its rows, and that a slip in any column fails it and its sentence."""

from __future__ import annotations

import inspect

import pytest

from muso_theory.errors import expected
from verification import layers
from verification.campaign import Options
from verification.concluding import conclude

ROW = {
    "kind": "layer",
    "layer": "relu",
    "param": "ntk",
    "rules": 20,
    "gradient": 1e-14,
    "kernel": 1e-15,
    "same file": True,
    "bad inputs": 10,
    "not refused": [],
}
MODEL = {
    "kind": "model",
    "model": "resnet18",
    "arrays": 102,
    "parameters": 11_000_000,
    "images": 16,
    "gradient": 1e-8,
    "kernel": 1e-15,
    "seconds": 9.0,
    "megabytes": 700.0,
}
EPOCH = {
    "kind": "epoch",
    "model": "resnet8",
    "images": 500,
    "seconds": 3.0,
    "accuracy": 0.5,
}


@pytest.mark.parametrize("name", ["max-pool", "embedding"])
def test_a_row_is_measured(name):
    row = layers.measure({"kind": "layer", "layer": name, "param": "standard"})
    assert row["rules"] > 15
    assert 0 < row["gradient"] <= layers.RULES
    assert row["kernel"] <= layers.KERNEL
    assert row["same file"]
    assert (row["bad inputs"], row["not refused"]) == (10, [])


def test_what_is_not_refused_is_named():
    def refuse():
        raise expected("a number", "x", None, "value", "1")

    assert layers.refused({"good": refuse, "slip": dict, "crash": lambda: 1 / 0}) == [
        "slip: accepted",
        "crash: ZeroDivisionError",
    ]


@pytest.mark.parametrize(
    ("slip", "failed"),
    [
        ({}, 0),
        ({"gradient": 1e-6}, 1),
        ({"gradient": float("nan")}, 1),
        ({"kernel": 1e-9}, 1),
        ({"same file": False}, 1),
        ({"not refused": ["NaN in the inputs: accepted"]}, 1),
    ],
)
def test_a_slip_fails_the_campaign_and_its_sentence(slip, failed, monkeypatch):
    monkeypatch.setattr(layers, "measure_points", lambda *given, **more: [ROW | slip, MODEL, EPOCH])
    found = layers.run(True, Options())
    assert found["failed"] == failed
    verdicts = [one["verdict"] for one in conclude({"campaign": "layers", **found})]
    assert verdicts.count("fails") == failed
    assert set(layers.tabulate(found)) == {"layers", "models", "resnet8"}


def test_every_layer_class_stands_in_a_row():
    from muso_theory import networks
    from muso_theory.networks.composition import leaves
    from muso_theory.networks.layer import Layer
    from verification.layer_nets import kinked, smooth

    nets = [*smooth("ntk").values(), *kinked("ntk").values()]
    used = {type(layer) for net in nets for _, layer in leaves(net.layers)}
    for name in networks.__all__:
        kind = getattr(networks, name)
        if isinstance(kind, type) and issubclass(kind, Layer) and not inspect.isabstract(kind):
            assert kind in used or name in ("Residual", "Gate", "Concatenate"), name  # these hold the others
