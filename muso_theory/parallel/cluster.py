"""Points of campaigns, spans of rows and tiles on a Dask cluster, by workers with this code and these versions only.

What workers return counts as made by the code here. So every worker is asked before a point runs, and each point asks
again where it runs, since workers come and go.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import MusoError, expected
from ..machine import installed

__all__ = ["active_client", "asked", "connected", "measured", "require_address", "require_same", "threads_of"]

T = TypeVar("T")

_FOR_SCHEDULER = 20.0
"""Seconds to wait for a scheduler."""
_FOR_WORKER = 20.0
"""Seconds to wait for a worker where there is none."""


@contextmanager
def connected(scheduler: str | None, jobs: int) -> Iterator[None]:
    """Have joblib, and so `measured`, use a cluster.

    Args:
        scheduler: its address; None starts a cluster on this machine.
        jobs: workers of the one that is started.

    Raises:
        BadInputError: Dask is not installed, no address, or nobody there who answers as a scheduler does.
    """
    import joblib

    Client = _distributed().Client
    if scheduler is None:
        client = Client(n_workers=jobs, threads_per_worker=1, dashboard_address=":0")
    else:
        require_address(scheduler)
        client = _answering(lambda: Client(scheduler, timeout=_FOR_SCHEDULER), scheduler)
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)  # a scheduler that is lost is told here in words, without tracebacks
    try:
        with client, joblib.parallel_config(backend="dask", client=client):
            yield
    finally:
        log.setLevel(before)


def require_address(scheduler: str) -> None:
    """Refuse what cannot be the address of a scheduler, without asking whether one is there.

    Raises:
        BadInputError: Dask is not installed, no port, an unknown kind of address or an unknown host.
    """
    resolve = _distributed().comm.resolve_address
    try:
        address = resolve(scheduler)
        port = address.rpartition(":")[2]
        if not (address.startswith("inproc:") or (port.isdigit() and int(port) < 1 << 16)):
            raise ValueError(f"there is no port {port}")
    except Exception as error:  # whatever a kind of address ends in, warnings of old kinds among them
        hint = "its address, tcp://HOST:8786"
        raise expected("a Dask scheduler that answers", "scheduler", scheduler, str(error), hint) from None


def _distributed() -> Any:
    """The package, if it is installed."""
    try:
        import distributed
    except ImportError:
        hint = "pip install 'muso-theory[cluster]'"
        raise expected("the package distributed", "backend", "dask", "not installed", hint) from None
    return distributed


def _answering(connect: Callable[[], Any], scheduler: str) -> Any:
    """A client, or words: Dask has many errors for a bad address, and waits without end for some other server."""
    found: list[Any] = []

    def attempt() -> None:
        try:
            found.append(connect())
        except Exception as error:
            found.append(error)

    # A daemon, which ends with this process.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(1.5 * _FOR_SCHEDULER)
    client = found[0] if found else TimeoutError("what is there does not answer as a scheduler does")
    if isinstance(client, Exception):
        words = "a Dask scheduler that answers"
        raise expected(
            words,
            "scheduler",
            scheduler,
            str(client) or type(client).__name__,
            "its address, tcp://HOST:8786",
        )
    return client


def active_client() -> Any:
    """The client of the cluster on which joblib would run now, or None: at once where nobody has imported Dask's."""
    if "distributed" not in sys.modules:
        return None
    from joblib.parallel import get_active_backend

    return getattr(get_active_backend()[0], "client", None)


def require_same(client: Any, code: Callable[[], str]) -> None:
    """Ask every worker whether it has the code and the versions that are here.

    Raises:
        BadInputError: a worker that differs, named with what differs, or that cannot even answer.
        MusoError: no worker.
    """
    mine, deadline = _identity(code), time.monotonic() + _FOR_WORKER
    address = client.scheduler.address
    while not (answers := asked(client, _identity, code)):
        if time.monotonic() > deadline:
            raise MusoError(f"the scheduler {address} has no workers; try dask worker {address}")
        time.sleep(0.1)
    found = [f"{name}: {told}" for name, answer in answers.items() if (told := _differences(mine, answer))]
    if found:
        words, hint = "workers with the code and the versions that are here", "installing there what is here"
        raise expected(words, "scheduler", address, "; ".join(found), hint)


def asked(client: Any, question: Callable[..., Any], *words: Any) -> dict[str, Any]:
    """What workers answer, by their addresses: an exception where one cannot, and nothing of those that are gone.

    Args:
        question: a function that they can import.
        words: its arguments.

    Raises:
        MusoError: the scheduler was lost.
    """
    from distributed.comm import CommClosedError

    deadline = time.monotonic() + _FOR_WORKER
    while True:
        answers = _reached(client, lambda: client.run(question, *words, on_error="return"))
        there = threads_of(client)
        found = {name: answer for name, answer in answers.items() if name in there}
        # Where a connection broke, the worker has died, which the scheduler will notice, or can be asked again.
        broken = any(isinstance(answer, CommClosedError) for answer in found.values())
        if not broken or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def threads_of(client: Any) -> dict[str, int]:
    """How many threads each worker has, by its address.

    Raises:
        MusoError: the scheduler was lost.
    """
    return dict(_reached(client, client.nthreads))


def _reached(client: Any, call: Callable[[], T]) -> T:
    """What a call across the connection to the scheduler gives.

    Raises:
        MusoError: it was lost.
    """
    try:
        if client.status != "running":
            raise ConnectionError(f"the connection is {client.status}")
        return call()
    except (OSError, RuntimeError, ValueError) as error:  # what such a call may end in
        words = f"the scheduler {client.scheduler.address} was lost"
        raise MusoError(f"{words}: {error}; start it, and this again") from None


def _identity(code: Callable[[], str]) -> dict[str, str]:
    """What checkpoints are kept under, as it is in the process where this runs."""
    return {**installed(), "code": code()}


def _differences(here: Mapping[str, str], there: Any) -> str:
    """In words; empty where there are none."""
    if not isinstance(there, dict):
        return f"{type(there).__name__}: {there}"
    names = [name for name in here if there.get(name) != here[name]]
    return ", ".join(
        "other code" if name == "code" else f"{name} {there.get(name)}, not {here[name]}" for name in names
    )


def measured(
    client: Any,
    tasks: Sequence[Callable[[], Any]],
    code: Callable[[], str],
    name: str,
    next_step: str = "finished points are kept, run it again to go on",
) -> Iterator[Any]:
    """What the workers return, in any order.

    Args:
        tasks: functions that workers can import, with their arguments.
        code: see `require_same`.
        name: what is measured, for a refusal.
        next_step: what to do when the cluster was lost.

    Raises:
        MusoError: the scheduler or the workers were lost, a worker that came later differs, or one point ended several
            workers.
    """
    import dask
    from distributed import KilledWorker, as_completed

    def lost(words: str) -> MusoError:
        return MusoError(f"{name}: {words}; {next_step}")

    here, address = _identity(code), client.scheduler.address
    if client.status != "running":
        raise lost(f"the scheduler {address} was lost")
    # Rows go with their task, and not ahead of it: with a worker that dies it would take them along.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"}):
        futures = {client.submit(_measured_there, here, code, task, pure=False) for task in tasks}
    done, seen = as_completed(futures), time.monotonic()
    try:
        while not done.is_empty():
            if client.status != "running":
                raise lost(f"the scheduler {address} was lost")
            if not done.has_ready():
                time.sleep(0.02)
                if time.monotonic() - seen > 1 and _has_workers(client):
                    seen = time.monotonic()
                if time.monotonic() - seen > _FOR_WORKER:
                    raise lost(f"the scheduler {address} has no workers left")
                continue
            future, seen = next(done), time.monotonic()
            if future.cancelled():
                raise lost(f"the scheduler {address} was lost")
            try:
                found = future.result()
            except KilledWorker as error:
                raise lost(f"workers were killed, perhaps for want of memory: {error}") from None
            # What is here is asked for no more: else it would be computed again when the worker that did it dies.
            futures.remove(future)
            future.release()
            yield found
    finally:
        if client.status == "running":
            client.cancel(list(futures))


def _has_workers(client: Any) -> bool:
    """Whether the scheduler has any, and answers."""
    try:
        return bool(client.nthreads())
    except (OSError, ValueError, RuntimeError):  # it is gone, which the client notices by itself
        return False


def _measured_there(here: Mapping[str, str], code: Callable[[], str], task: Callable[[], Any]) -> Any:
    """One task, on a worker that may have come after all others were asked."""
    told = _differences(here, _identity(code))
    if told:
        raise MusoError(f"a worker differs: {told}; try installing there what is here")
    return task()
