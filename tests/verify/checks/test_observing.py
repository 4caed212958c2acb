"""Layers know the page of their kernel and what they are made of, until one of their functions is replaced."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.layers.recurrence import CellTrace
from fnnets.verify.checks import observing

LSTM = fn.layers.lstm(3, checkpoint_every=2, learn_initial_state=True)


def test_a_kernel_has_a_page_of_the_same_parameters():
    page = observing.page(LSTM)
    assert page.trace is CellTrace
    params, _ = LSTM.init(jax.random.key(0), (2,))
    assert jax.tree.structure(page.init(jax.random.key(0), (2,))[0]) == jax.tree.structure(params)
    x = jnp.ones((5, 4, 2))
    one, other = (layer.forward(params, x, fn.Context())[0] for layer in (LSTM, page))
    assert jnp.allclose(one, other, atol=1e-6)
    assert observing.page(fn.layers.dense(3)) is fn.layers.dense(3)


@pytest.mark.parametrize("name", ["init", "forward", "backward"])
def test_a_function_of_ones_own_has_no_page(name):
    for layer in (LSTM, fn.chain(LSTM), fn.layers.bidirectional(LSTM)):
        changed = layer._replace(**{name: getattr(layer, name)})
        assert changed.plain is changed.within is None
    assert LSTM._replace(name="mine").plain is LSTM.plain


def test_what_a_layer_is_made_of_is_paged_as_well():
    deep = fn.chain(fn.layers.bidirectional(fn.chain(LSTM, LSTM)), fn.layers.with_inputs(fn.layers.dense(2)))
    params, _ = deep.init(jax.random.key(0), (2,))
    _, trace = observing.page(deep).forward(params, jnp.ones((5, 4, 2)), fn.Context())
    assert isinstance(trace.parts[0].forward.parts[1], CellTrace)
    seen = []
    deep.within(lambda part: seen.append(part.name) or part)
    assert seen == ["bidirectional", "with_inputs"]
