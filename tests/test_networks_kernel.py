"""The empirical NTK by structured Grams against its naive twin, the Jacobian contracted with itself."""

from __future__ import annotations

import numpy as np
import pytest

from muso_theory.networks import empirical_ntk

from .networks_zoo import kinked, smooth

PARAMS = ("standard", "ntk")
NETS = {
    f"{name}/{param}": net for param in PARAMS for name, net in {**smooth(param), **kinked(param)}.items()
}


def contractions(full):
    return {
        "full": full,
        "trace": np.trace(full, axis1=1, axis2=3),
        "diag": np.diagonal(full, axis1=1, axis2=3),
    }


def twin(net, params, X1, X2):
    return contractions(np.einsum("akp,blp->akbl", net.jacobian(params, X1), net.jacobian(params, X2)))


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_structured_grams_equal_the_contracted_jacobian(net):
    rng = np.random.default_rng(3)
    params = net.init(1)
    many, one = (rng.standard_normal((n, *net.input_shape)) for n in (5, 1))
    for X1, X2 in ((many, None), (many, one), (one, None), (one, many)):
        wanted = twin(net, params, X1, X1 if X2 is None else X2)
        scale = abs(wanted["full"]).max()
        for options in ({}, {"max_bytes": 300_000}, {"threads": 2}):
            for contract, value in wanted.items():
                found = empirical_ntk(net, params, X1, X2, contract, **options)
                assert found.shape == value.shape
                assert abs(found - value).max() <= 1e-14 * scale
