"""A Dask cluster on this machine, whose workers import what tests import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["two_workers"]


@contextmanager
def two_workers() -> Iterator[Any]:
    """A client of two worker processes, which a nanny starts again when they die."""
    import distributed

    with (
        pytest.MonkeyPatch.context() as patch,
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            env={"PYTHONPATH": ":".join(sys.path)},
        ) as made,
        distributed.Client(made) as connected,
    ):
        patch.setenv("PYTHONPATH", ":".join(sys.path))
        yield connected
