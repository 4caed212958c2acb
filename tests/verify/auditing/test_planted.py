"""What the audit says of planted faults, of their right twins, of right programs and of rules that are meant so.

A share of them runs each time, all of them with FNNETS_EVERY_CALL=1.
"""

import pytest

import fnnets as fn
from tests.verify.auditing.meant import MEANT
from tests.verify.auditing.planted import PLANTED
from tests.verify.auditing.planted_calls import CALLS
from tests.verify.auditing.planted_flax import FLAX
from tests.verify.auditing.planted_loops import LOOPS
from tests.verify.auditing.programs import each
from tests.verify.auditing.right import RIGHT

EVERY = (*PLANTED, *LOOPS, *CALLS)
DECORATORS = 3  # lines above a definition that may stand for it


def codes(code):
    """The code of a function and of all that are defined in it."""
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_consts"):
            yield from codes(constant)


def assert_found(planted):
    report = fn.verify.audit(*called(planted.make(True)))
    assert not report.ok, report
    inside = {code.co_name: code for code in codes(planted.make.__code__)}
    expected = ("differs", "rule gives zero") if planted.kind == "zero" else ("differs",)
    # a linear solve is named by what it is, and placed at the function that solves the transposed system
    name = "custom_linear_solve" if planted.kind == "linear solve" else planted.name
    rows = [row for row in report.rows if row.name == name and row.verdict in expected]
    assert rows, report
    for row in rows:
        assert row.file == inside[planted.name].co_filename
        assert abs(row.line - inside[planted.name].co_firstlineno) <= DECORATORS
        assert row.detail


def assert_agrees(planted):
    report = fn.verify.audit(*called(planted.make(False)))
    assert report.ok, report
    if planted.kind != "linear solve":
        assert "agrees" in [row.verdict for row in report.rows if row.name == planted.name], report


def called(made):
    """The arguments of `audit`."""
    function, args = made
    return function, *args


@each("given", EVERY)
def test_a_planted_fault_is_found_and_placed(given):
    assert_found(given)


@each("given", EVERY)
def test_the_right_twin_is_ok(given):
    assert_agrees(given)


@each("given", FLAX)
def test_a_fault_planted_in_flax_is_found_and_placed(given, standard_promotion):
    pytest.importorskip("flax")
    assert_found(given)


@each("given", FLAX)
def test_the_right_twin_in_flax_is_ok(given, standard_promotion):
    pytest.importorskip("flax")
    assert_agrees(given)


@each("given", RIGHT)
def test_no_right_rule_is_said_to_differ(given, standard_promotion):
    report = fn.verify.audit(*called(given.make()))
    assert "differs" not in [row.verdict for row in report.rows], report


@each("given", MEANT)
def test_a_meant_departure_has_its_own_verdict_and_is_accepted_by_name(given):
    function, args = given.make()
    report = fn.verify.audit(function, *args)
    assert not report.ok
    assert given.verdict in [row.verdict for row in report.rows if row.name == given.name], report
    assert fn.verify.audit(function, *args, accept=[given.name]).ok
