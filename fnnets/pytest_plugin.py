"""A report in a test: the table in the message where it does not pass, and the report with the test's results.

    # conftest.py
    from fnnets.pytest_plugin import audit, verified

    # test_layer.py
    def test_it(verified):
        verified(fn.verify.network(net, params, batch))

    def test_rules(audit):
        audit(loss, params, x)

Each report is kept as the property "fnnets", JSON, of the test (`--junit-xml` writes it), and its table as a section of
the test's output (`-rA` shows it for tests that pass). Nothing is registered with pytest: import the
fixture, or write `pytest_plugins = ["fnnets.pytest_plugin"]`. Needs pytest.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fnnets import verify
from fnnets.core import validate
from fnnets.verify import AuditReport, Report


def assert_ok(report: Report | AuditReport, request: pytest.FixtureRequest | None = None) -> None:
    """Pass where the report does; else fail with its table for the message.

    Args:
        report: the report of a check.
        request: pytest's fixture of that name, to attach the report to the test; None attaches it to none.

    Raises:
        AssertionError: the verdict is "wrong" or "inconclusive".
        TypeError: no report, or a request that is no fixture of pytest's.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> assert_ok(fn.verify.gradient(lambda w: jnp.sum(w**2), lambda w: 2 * w, jnp.array([1.0, 2.0])))
    """
    __tracebackhide__ = True
    if not isinstance(report, AuditReport):
        remedy = "give the result of fnnets.verify.network or another check"
        validate.is_instance(report, Report, "assert_ok: report", remedy)
    if request is not None:
        if not hasattr(request, "node"):
            came = f"of type {type(request).__name__}"
            raise TypeError(
                f"assert_ok: request is {came}, expected pytest's fixture; give the test an argument request"
            )
        request.node.user_properties.append(("fnnets", report.to_json()))
        request.node.add_report_section("call", "fnnets", report.table() + "\n")
    if not report.ok:
        raise AssertionError("\n" + report.table())


@pytest.fixture
def verified(request: pytest.FixtureRequest) -> Callable[[Report | AuditReport], None]:
    """`assert_ok` for the running test."""

    def check(report: Report | AuditReport) -> None:
        __tracebackhide__ = True
        assert_ok(report, request)

    return check


@pytest.fixture
def audit(request: pytest.FixtureRequest) -> Callable[..., AuditReport]:
    """`fnnets.verify.audit` of a function and its arguments, which fails the test where a rule does not pass."""

    def check(*args: object, **settings: object) -> AuditReport:
        __tracebackhide__ = True
        report = verify.audit(*args, **settings)  # type: ignore[arg-type]
        assert_ok(report, request)
        return report

    return check
