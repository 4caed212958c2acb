"""Every mark and every parameter of the package's layers has a formula."""

import jax
import pytest

import fnnets as fn
from fnnets.command import formulas, passage
from fnnets.verify.checks import equations


@pytest.mark.parametrize("family", equations.families())
def test_every_value_of_a_family_has_a_formula(family):
    net, batch = equations.families()[family]
    found = passage.of(net, net.init(jax.random.key(0)), batch, None, 0)
    without = [line.name for line in found.forward if not line.formula and "initial_state" not in line.name]
    assert [name for name in without if not name.startswith("layer tied .decoder_biases")] == []
    assert found.cost[1]


def test_marks_within_another_layer_have_the_formulas_of_that_layer():
    both = fn.layers.bidirectional(fn.layers.gru(3))
    assert formulas.forward(both, "backward/z_u") == formulas.forward(fn.layers.gru(3), "z_u")
    assert formulas.forward(both, "a") == "a[t] = (→[t], ←[t])"
    coder = fn.layers.tied(fn.chain(fn.layers.dense(2), fn.layers.dense(3)))
    assert formulas.forward(coder, "0/z") == formulas.forward(fn.layers.dense(2), "z")


def test_a_layer_and_an_objective_of_ones_own_have_none():
    own = fn.Layer(lambda key, shape: ((), shape), lambda p, x, c: (x, ()), lambda p, t, d: ((), d), "own")
    assert formulas.forward(own, "z") == ""
    assert formulas.parameter(own, "[0]") == ""
    assert formulas.objective(fn.objectives.linear_squared_error._replace(name="own"))[2] == ""
