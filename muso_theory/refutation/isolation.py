"""Run somebody else's rule in a process of its own, with a time limit on its import and on every call.

This keeps a rule from changing, stopping or outlasting the process that judges it. It is no sandbox: the rule runs with
the rights of the user who named it.
"""

from __future__ import annotations

import contextlib
import enum
import multiprocessing
import os
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, final

import numpy as np

from ..arrays import Array, plain_array
from ..errors import BadInputError, MusoError, expected, printable
from ..files.reading import MOST_BYTES
from ..linear.problem import UnlearningProblem
from .named import NamedRule
from .wire import pack, strange, unpack

__all__ = ["IMPORT_SECONDS", "Failure", "Rule", "Runner"]

IMPORT_SECONDS = 20.0
"""How long the import of a rule may take."""

_SHOWN = 20_000
"""Bytes of what a rule prints that are passed on."""

_OTHER_BYTES = "wrote other bytes where its answer was expected"

Rule = Callable[[UnlearningProblem], Any]
"""What gives labels, or parameters."""


class Failure(enum.Enum):
    """What is wrong with a rule; the value is the explanation."""

    GAP = "does not unlearn exactly"
    CLAIM = "is false here"
    RAISES = "raises an exception"
    NOT_NUMBERS = "returns something that is not an array of real numbers"
    NOT_FINITE = "returns NaN or infinity"
    WRONG_SHAPE = "returns the wrong shape"
    MUTATES = "writes into its input"
    RANDOM = "gives two answers to one question"
    NEVER_RETURNS = "does not return within the time limit"
    DIES = "ends its process"

    def __repr__(self) -> str:
        return f"Failure.{self.name}"


@final
@dataclass(frozen=True, eq=False)
class _Answer:
    """What a rule did with one problem.

    Args:
        values: what it returned, an array, or None.
        odd: why these are no numbers; empty where they are.
        failure: how it misbehaved, or None.
        detail: words about the failure or the refusal.
        refused: whether it declined by a ``MusoError``, which is honest and no failure.
    """

    values: Array | None = None
    failure: Failure | None = None
    detail: str = ""
    refused: bool = False
    odd: str = ""


def _fresh(problem: UnlearningProblem) -> UnlearningProblem:
    """A problem with arrays of its own, w₀ among them also where it is zero: a rule may calculate with it."""
    if problem.w_init is None:
        exact = problem.features.dtype == object
        shape = (problem.n_features, *problem.targets.shape[1:])
        start = np.full(shape, Fraction(0) if exact else 0.0, dtype=object if exact else np.float64)
    else:
        start = problem.w_init.copy()
    return UnlearningProblem(problem.features.copy(), problem.targets.copy(), np.array(problem.forget), start)


def _once(rule: Rule, problem: UnlearningProblem) -> _Answer:
    """Call a rule, and notice what it does to its input."""
    mine = _fresh(problem)
    try:
        given = rule(mine)
    except MusoError as error:
        if mine.changed is None:  # else it is what the rule wrote that this package refused
            return _Answer(detail=str(error), refused=True)
    except Exception as error:
        text = f"{type(error).__name__}: {error}{_where(error)}"
        wrote = isinstance(error, ValueError) and "read-only" in str(error)
        return _Answer(failure=Failure.MUTATES if wrote else Failure.RAISES, detail=text)
    if mine.changed is not None:
        return _Answer(
            failure=Failure.MUTATES, detail=f"the problem's {mine.changed} changed during the call"
        )
    try:
        values = np.array(plain_array("labels", given))
        return _Answer(values, odd=strange(values))
    except MusoError as error:
        return _Answer(failure=Failure.NOT_NUMBERS, detail=str(error))


def _where(error: Exception) -> str:
    """The last line of the rule's own file that an exception passed through; empty where the rule has no source."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without the call of the rule
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    if not own or not own[-1].line:
        return ""
    return f", line {own[-1].lineno} of {os.path.basename(own[-1].filename)}: {own[-1].line}"


def _same(a: _Answer, b: _Answer) -> bool:
    """Whether two calls went the same way; NaN equals NaN here."""
    if a.values is None or b.values is None:
        return a.values is b.values and a.failure is b.failure
    if a.odd or b.odd:  # which is a failure in itself, and whose own words on equality count for nothing
        return a.odd == b.odd
    if a.values.shape != b.values.shape:
        return False
    equal = (a.values == b.values) | ((a.values != a.values) & (b.values != b.values))
    return bool(np.all(equal))


def _call(rule: Rule, problem: UnlearningProblem, twice: bool) -> _Answer:
    """Call a rule, once more if asked to see whether it repeats itself."""
    answer = _once(rule, problem)
    if twice and not _same(answer, _once(rule, problem)):
        return _Answer(failure=Failure.RANDOM, detail="two calls with the same problem differ; fix a seed")
    return answer


def _serve(rule: Rule, connection: Any, parents: Any, talk: Any) -> None:
    """What the other process does: import the rule, say whether that went well, then answer."""
    if parents is not None:
        parents.close()  # else this process would never notice that its parent is gone
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What the rule prints goes to the parent, which shows it up to a length.
    for descriptor in (1, 2):
        os.dup2(talk.fileno(), descriptor)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
    warnings.simplefilter("ignore")
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        if isinstance(rule, NamedRule):
            try:
                rule = rule.load()
                kind, assuming = getattr(rule, "kind", "labels"), getattr(rule, "assuming", ())
                assuming = (assuming,) if isinstance(assuming, str) else assuming
                connection.send_bytes(pack(None, "", kind=str(kind), assuming=[str(x) for x in assuming]))
            except MusoError as error:
                connection.send_bytes(pack(None, str(error)))
                return
        else:
            connection.send_bytes(pack(None, ""))
        while True:
            arrays, twice = connection.recv()
            answer = _call(rule, UnlearningProblem(*arrays), twice)
            connection.send_bytes(_packed(answer))


def _end_with_parent() -> None:
    """Wait for the end of the process that judges the rule, however it ends, and end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _packed(answer: _Answer) -> bytes:
    """An answer as the other process reads it."""
    try:
        failure = None if answer.failure is None else answer.failure.name
        return pack(answer.values, answer.odd, failure=failure, detail=answer.detail, refused=answer.refused)
    except Exception as error:
        return _packed(_Answer(failure=Failure.NOT_NUMBERS, detail=f"cannot be sent: {error}"))


def _unpacked(message: bytes) -> _Answer:
    """The answer in a message, which a rule may have written itself."""
    try:
        values, odd, words = unpack(message)
        failure = None if words["failure"] is None else Failure[words["failure"]]
        return _Answer(values, failure, str(words["detail"]), words["refused"] is True, odd)
    except (ValueError, KeyError, TypeError):
        return _Answer(failure=Failure.NOT_NUMBERS, detail=_OTHER_BYTES)


def _received(connection: Any, seconds: float) -> bytes:
    """A message, if all of it comes in time: a rule that writes by itself may begin one and never end it.

    Raises:
        TimeoutError: not all of it did.
        EOFError: the process has ended.
        ValueError: other bytes, or more than a message may have.
    """
    deadline = time.monotonic() + seconds
    if os.name != "posix":  # messages of a pipe of Windows come whole
        if not connection.poll(seconds):
            raise TimeoutError
        return bytes(connection.recv_bytes(MOST_BYTES))

    def next_bytes(count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            if not connection.poll(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            part = os.read(connection.fileno(), min(count - len(found), 1 << 16))
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    # As multiprocessing sends them: the length in four bytes, or −1 and the length in eight, and the message.
    [size] = struct.unpack("!i", next_bytes(4))
    if size == -1:
        [size] = struct.unpack("!Q", next_bytes(8))
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(f"a message of {size:,} bytes")
    return next_bytes(size)


def _show(heard: Any) -> None:
    """Pass on what a rule prints, up to a length, and read the rest so that it is never kept waiting."""
    left = _SHOWN
    with contextlib.suppress(OSError, ValueError), heard:
        while part := os.read(heard.fileno(), 65536):
            if left > 0:
                shown = printable(part[:left].decode(errors="backslashreplace"))
                more = "\n(more that the rule prints is not shown)\n" if len(part) > left else ""
                sys.stderr.write(shown + more)
                left -= len(part)


@final
class Runner:
    """Calls one rule on many problems; a context manager that leaves no process behind.

    The process is forked, so that any rule will do, closures too; where there is no fork it is spawned, and the rule
    must be importable.

    Args:
        rule: what to call.
        seconds: time limit a call; a rule that exceeds it is stopped and its process replaced.
        isolate: False calls in this process, without a time limit (for a debugger).

    Example:
        >>> problem = UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [1])
        >>> with Runner(lambda p: p.targets[p.forget] / 0, 1.0, isolate=False) as run, np.errstate(all="ignore"):
        ...     run(problem).values
        array([inf])
    """

    def __init__(self, rule: Rule, seconds: float = 5.0, isolate: bool = True) -> None:
        self._rule, self._seconds, self._isolate = rule, seconds, isolate
        self._process: Any = None
        self._connection: Any = None
        self._talk: threading.Thread | None = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, problem: UnlearningProblem, twice: bool = False) -> _Answer:
        """Call the rule with a copy of a problem, perhaps twice to compare what it returns, or how it fails."""
        if not self._isolate:
            return _call(self._rule, problem, twice)
        self.start()
        try:
            self._connection.send(
                ((problem.features, problem.targets, problem.forget, problem.w_init), twice)
            )
            return _unpacked(_received(self._connection, self._seconds * (2 if twice else 1)))
        except TimeoutError:
            self.close()
            return _Answer(failure=Failure.NEVER_RETURNS, detail=f"did not answer in {self._seconds:g} s")
        except ValueError:
            self.close()
            return _Answer(failure=Failure.NOT_NUMBERS, detail=_OTHER_BYTES)
        except (EOFError, OSError):
            return _Answer(failure=Failure.DIES, detail=f"exit code {self._exit_code()}")

    def start(self) -> dict[str, Any]:
        """Begin the process, unless it runs, and import the rule in it.

        Returns:
            Of a rule that was named and is imported now, its ``kind`` and ``assuming``; else nothing.
        """
        if self._process is not None:
            return {}
        self._begin()
        what, spec = "a module that can be imported", getattr(self._rule, "spec", "rule")
        limit = IMPORT_SECONDS
        try:
            _, refused, about = unpack(_received(self._connection, limit))
        except TimeoutError:
            self.close()
            got = f"not imported in {limit:g} s"
            raise expected(what, "rule", spec, got, "a module that only defines it") from None
        except ValueError:
            self.close()
            raise expected(what, "rule", spec, "its import wrote other bytes", "another rule") from None
        except (EOFError, OSError):
            code = self._exit_code()
            got = f"its import ended the process, exit code {code}"
            raise expected(what, "rule", spec, got, "a module that only defines it") from None
        if refused:
            self.close()
            raise BadInputError(refused)
        if not about:
            return {}
        return {"kind": str(about.get("kind")), "assuming": tuple(map(str, about.get("assuming") or ()))}

    def _begin(self) -> None:
        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        context: Any = multiprocessing.get_context(method)
        self._connection, theirs = context.Pipe()
        ours = self._connection if method == "fork" else None
        heard, talk = context.Pipe(duplex=False)
        arguments = (self._rule, theirs, ours, talk)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fork beside BLAS threads, which the child does not use
            self._process.start()
        theirs.close()
        talk.close()
        self._talk = threading.Thread(target=_show, args=(heard,), daemon=True)
        self._talk.start()

    def _exit_code(self) -> int | None:
        """The exit code of a process that has ended by itself, or None."""
        self._process.join(1)
        code: int | None = self._process.exitcode
        self.close()
        return code

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None
        if self._talk is not None:
            self._talk.join(1)  # a process that the rule has left behind may keep the pipe open
            self._talk = None
