"""Results of trials: what counts as found and as named, for code whose fault is plain."""

import jax.numpy as jnp
import pytest

from fnnets.verify import selftest
from fnnets.verify.selftest.family import Catalogue, Family, Fault, custom_vjp, gradient
from fnnets.verify.selftest.trying import RIGHT, Trial, tried

CUBES = Catalogue()


@CUBES.family("cubes", {"three left out": "b", "named elsewhere": "a", "any place": ()}, {"no doubt": "b"})
def _cubes(draw, fault):
    p = {"a": draw(2), "b": draw(3)}
    times = 1.0 if fault else 3.0
    return gradient(
        lambda p: jnp.sum(p["a"]) + jnp.sum(p["b"] ** 3),
        lambda p: {"a": jnp.ones_like(p["a"]), "b": times * p["b"] ** 2}, p,
    )  # fmt: skip


(FAMILY,) = CUBES.families


@pytest.mark.parametrize(
    ("fault", "expected", "named"),
    [
        (RIGHT, True, True),
        (FAMILY.faults[0], True, True),
        (FAMILY.faults[1], True, False),  # found, at another leaf than it should be
        (FAMILY.faults[2], True, True),
        (FAMILY.faults[3], False, False),  # wrong where it should be inconclusive
        (RIGHT._replace(verdict="wrong"), False, False),  # a survivor
    ],
)
def test_found_and_named(fault, expected, named):
    result = tried(Trial(FAMILY, fault, 1))
    assert (result.expected, result.named) == (expected, named)
    assert result.verdict == ("wrong" if fault.name else "pass")
    assert result.where == ("gradient p['b']" if fault.name else "")


def test_an_exception_is_a_false_alarm_and_a_survivor():
    def make(draw, fault):
        return gradient(lambda w: jnp.sum(w), lambda w: 1 / 0, draw(2))

    family = Family("raises", make, (Fault("none", ()),))
    outcome = selftest.Outcome("float64", tuple(tried(Trial(family, each, 0)) for each in (RIGHT, *family.faults)), 0.0)
    assert [result.verdict for result in outcome.results] == ["raised", "raised"]
    assert (len(outcome.false_alarms), len(outcome.survivors)) == (1, 1)
    assert "ZeroDivisionError: test_trying.py, line" in outcome.table()
    assert "division by zero" in outcome.table()


def test_an_argument_of_a_custom_vjp_is_named_by_its_number_too():
    import jax

    plain = lambda x, y: x * y  # noqa: E731

    def make(draw, fault):
        f = jax.custom_vjp(plain)
        f.defvjp(lambda x, y: (plain(x, y), (x, y)), lambda args, d: (d * args[1], (2 if fault else 1) * d * args[0]))
        return custom_vjp(f, plain, draw(3), draw(3))

    family = Family("product", make, (Fault("twice", ("y",)), Fault("elsewhere", ("x",))))
    assert [tried(Trial(family, fault, 0)).named for fault in family.faults] == [True, False]


@pytest.mark.parametrize("names", [["kniks"], ["kinks", "cumulative sun"]])
def test_an_unknown_name_is_refused_with_the_nearest(names):
    with pytest.raises(ValueError, match=r"names has '.*', expected names of families, or of dense, .*; write '"):
        selftest.run(names)


def test_seeds_are_at_least_one():
    with pytest.raises(ValueError, match="seeds is 0"):
        selftest.run(seeds=0)
