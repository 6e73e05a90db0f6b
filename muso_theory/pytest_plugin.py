"""Run the falsifier on your own rule from pytest: ``pytest --muso-rule mypackage:my_rule``.

Switch it on with one line in the ``conftest.py`` at the root of your tests,

    pytest_plugins = ["muso_theory.pytest_plugin"]

or with ``-p muso_theory.pytest_plugin``. Each rule becomes one test beside those that pytest collects. Without the
option the plugin does nothing, and nothing of this package but its root is imported.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["pytest_addoption", "pytest_collection_modifyitems"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("muso", "exact unlearning (muso-theory)")
    group.addoption(
        "--muso-rule",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="try to refute this labelling rule or unlearning method; repeatable",
    )
    group.addoption("--muso-kind", choices=("labels", "parameters"), default="labels", help="what it returns")
    group.addoption("--muso-exact", action="store_true", help="hand it Fractions and hold it to equality")
    group.addoption(
        "--muso-assuming",
        action="append",
        default=[],
        metavar="CONDITION",
        help="only where this condition holds",
    )
    group.addoption(
        "--muso-examples", type=int, default=300, metavar="N", help="problems to try (default 300)"
    )
    group.addoption("--muso-seed", type=int, default=0, metavar="SEED", help="seed of the search (default 0)")


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add one test for each rule; one that is not there is a mistake in the usage, and no failed test.

    Raises:
        pytest.UsageError: a rule that cannot be found or imported.
    """
    for spec in dict.fromkeys(config.getoption("--muso-rule")):
        from .errors import MusoError
        from .refutation import load_rule

        try:
            rule = load_rule(spec)
        except MusoError as error:
            raise pytest.UsageError(f"--muso-rule: {error}") from None
        items.append(_RuleItem.from_parent(session, name=f"muso[{spec}]", spec=spec, rule=rule))


class _Refuted(Exception):
    """A rule that failed its test."""


class _RuleItem(pytest.Item):
    """The test of one rule: it fails with the counterexample.

    Args:
        spec: MODULE:FUNCTION.
        rule: what it names.
        options: pytest's own.
    """

    def __init__(self, *, spec: str, rule: Any, **options: Any) -> None:
        super().__init__(**options)
        self.spec, self.rule = spec, rule

    def runtest(self) -> None:
        """Search.

        Raises:
            _Refuted: with the counterexample, or because no problem could be tried.
        """
        from .evidence import Verdict
        from .refutation import refute_report

        option = self.config.getoption
        result = refute_report(
            self.rule,
            kind=option("--muso-kind"),
            exact=option("--muso-exact"),
            assuming=option("--muso-assuming"),
            max_examples=option("--muso-examples"),
            seed=option("--muso-seed"),
            name=self.spec,
        )
        if result.verdict is not Verdict.MEASURED:
            raise _Refuted(str(result))
        self.add_report_section("call", "muso", str(result))  # pytest -rP shows what was tried

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The counterexample instead of a traceback."""
        from .errors import MusoError

        if isinstance(excinfo.value, _Refuted | MusoError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where pytest says the test is: the root directory, no line, and the test's name."""
        return self.config.rootpath, None, self.name
