"""A skipped test says why, and misses no extra where CI has them all. Skips are listed; a wrong one fails the run."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]

_NOTHING = re.compile(
    r"Skipped|unconditional skip|<Skipped instance>|all tests skipped by \+SKIP option|condition: .*|",
    re.DOTALL,
)
"""What pytest writes where no reason was given."""


def faults(reporter: Any) -> list[str]:
    """Tests that were skipped without a reason; with ``EVERY_EXTRA`` set, also those that miss an extra."""
    found = []
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if _NOTHING.fullmatch(reason.removeprefix("Skipped:").strip()):
            found.append(f"SKIPPED WITHOUT A REASON, which fails: {report.nodeid}")
        elif "EVERY_EXTRA" in os.environ and "needs the extra" in reason:
            found.append(f"SKIPPED WHERE EVERY EXTRA IS, which fails: {report.nodeid}: {reason}")
    return found


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail where something was skipped that should not be."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.OK and reporter is not None and faults(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name them."""
    for line in faults(terminalreporter):
        terminalreporter.write_line(line, red=True)
