"""What the last digits of a number depend on besides the data: versions, the processor, the kernels of BLAS."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from .numbers.ieee import blas_threads

__all__ = ["blas_environment", "installed", "memory", "memory_of", "memory_words", "versions"]

_DISTRIBUTIONS = ("muso-theory", "numpy", "scipy", "python-flint", "mpmath", "scikit-learn")
_KERNEL = re.compile(r"openblas \S+ ([A-Za-z0-9_]{1,30})")
_MOST_THREADS = 1024
_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_ANY = 1 << 40
_MOST: ContextVar[int] = ContextVar("bytes of memory that were allowed", default=_ANY)


def versions() -> dict[str, str]:
    """Everything that the last digits of a report depend on, besides its data and settings.

    Where all of it is equal, so is every digit: a check makes no choice of its own. Kernels of BLAS sum in different
    orders, and elementary functions differ by instruction set and C library.

    Returns:
        By name: Python, the distributions, ``machine``, ``simd``, ``blas`` with its kernels, and ``blas threads``.
    """
    found = dict(installed())
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    words = (
        f"{one['internal_api']} {one.get('version')} {one.get('architecture', '')}".strip()
        for one in libraries
    )
    found["blas"] = ", ".join(sorted(words))
    # A proof keeps BLAS to one thread; what a report states is what the process has, wherever it is asked.
    outside = blas_threads()
    threads = {str(outside.get(one["filepath"], one["num_threads"])) for one in libraries}
    found["blas threads"] = " ".join(sorted(threads))
    return found


@cache
def installed() -> dict[str, str]:
    """The part of `versions` that does not change while a process runs."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["machine"] = f"{platform.system()} {platform.machine()} {' '.join(platform.libc_ver())}".strip()
    built: Any = np.show_config(mode="dicts")
    extensions = built.get("SIMD Extensions", {})
    found["simd"] = " ".join([*extensions.get("baseline", ()), *extensions.get("found", ())])
    return found


def memory() -> int:
    """Bytes of memory that this process may have: of the machine, its container or a limit (``ulimit -v``).

    No more than `memory_of` says; a large number where nothing does.
    """
    found = [_MOST.get()]
    with suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # "max" is no number
        found.append(int(_CONTAINER.read_text()))
    with suppress(ImportError):
        import resource

        soft = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
        found += [limit for limit in soft if limit != resource.RLIM_INFINITY]
    return min(found)


@contextmanager
def memory_of(most: int) -> Iterator[None]:
    """Have this process keep to so many bytes of memory.

    Example:
        >>> with memory_of(10**6):
        ...     memory()
        1000000
    """
    token = _MOST.set(most)
    try:
        yield
    finally:
        _MOST.reset(token)


def memory_words() -> str:
    """Whose memory `memory` is, for a refusal.

    Example:
        >>> with memory_of(10**6):
        ...     memory_words()
        'the 0.001 GB of --memory'
    """
    given = _MOST.get()
    return (
        f"the {given / 1e9:.3g} GB of --memory" if memory() == given < _ANY else "the memory of this machine"
    )


def blas_environment(stated: Mapping[str, Any]) -> dict[str, str] | None:
    """The variables of a process whose BLAS adds in the order of a report with these ``versions``.

    None where this process already has that kernel and number of threads, or the report, which is not trusted, names
    none that can be asked for.

    Example:
        >>> blas_environment({"blas": "openblas 0.3.30 Prescott", "blas threads": "3"})
        {'OPENBLAS_CORETYPE': 'Prescott', 'OPENBLAS_NUM_THREADS': '3'}
        >>> blas_environment(versions()), blas_environment({"blas": "; rm -r", "blas threads": "3"})
        (None, None)
    """
    blas, threads = stated.get("blas"), stated.get("blas threads")
    if not isinstance(blas, str) or not isinstance(threads, str):
        return None
    here = versions()
    if (blas, threads) == (here["blas"], here["blas threads"]):
        return None
    kernels = set(_KERNEL.findall(blas))
    if (
        len(kernels) != 1
        or not (threads.isascii() and threads.isdigit())
        or not 0 < int(threads) <= _MOST_THREADS
    ):
        return None
    return {"OPENBLAS_CORETYPE": kernels.pop(), "OPENBLAS_NUM_THREADS": threads}
