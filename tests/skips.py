"""A skipped test says why. Skips are listed at the end of a run, and one without a reason makes the run fail."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]

_NOTHING = ("", "Skipped", "unconditional skip", "<Skipped instance>")
"""What pytest writes where no reason was given."""


def unexplained(reporter: Any) -> list[str]:
    """Tests that were skipped without a reason."""
    found = []
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if reason.removeprefix("Skipped:").strip() in _NOTHING:
            found.append(report.nodeid)
    return found


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail where something was skipped in silence."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.OK and reporter is not None and unexplained(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name them."""
    for name in unexplained(terminalreporter):
        terminalreporter.write_line(f"SKIPPED WITHOUT A REASON, which fails: {name}", red=True)
