"""Random features of many samples are made in blocks of bounded size."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt


def test_at_most_32_mebibytes_of_projections_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fm = mt.GaussianFeatures(n_features=2048, bandwidth=1.0, seed=0).fit(np.eye(3))
    blocks = []
    monkeypatch.setattr(
        type(fm), "_activate", lambda self, projections, out: blocks.append(projections.shape)
    )
    n = 3 * 2**22 // 1024 + 5
    fm.transform(np.zeros((n, 3)))
    assert sum(rows for rows, _ in blocks) == n
    sizes = [8 * rows * columns for rows, columns in blocks]
    # As large as they may be but for the last: smaller blocks would be slower.
    assert max(sizes) == sizes[0] == 2**25
    assert len(blocks) == 4
