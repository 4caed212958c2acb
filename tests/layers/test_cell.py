"""The plain scan against the kernels: long sequences, padding anywhere, truncation; a stream; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, derivations, drawn

CELLS = ("recurrent", "lstm", "lstm_peepholes", "lstm_1997", "gru")


def made(cell, implementation, **options):
    return getattr(fn.layers, cell)(3, implementation=implementation, **options)


@pytest.mark.parametrize("cell", CELLS)
def test_the_page_gives_what_the_kernel_gives(cell):
    """17 steps, the first and the last of some sequences padded too; δ is cut every 5 steps."""
    mask = np.random.default_rng(3).random((17, 4)) < 0.6
    mask[8] = True
    with jax.enable_x64(True):
        options = {"learn_initial_state": True, "truncate": 5}
        plain, fast = (made(cell, each, **options) for each in ("plain", "fast"))
        arguments = drawn(plain, 17, n=4, padded=mask)
        (y, explicit, automatic), (fast_y, kernel, _) = derivations(plain, *arguments), derivations(fast, *arguments)
        assert_equal_leaves((y, explicit), (fast_y, kernel), "float64", condition=10)
        assert_equal_leaves(explicit, automatic, "float64", condition=10)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_of_the_page_is_the_whole(cell):
    layer = made(cell, "plain")
    params, x, _, _ = drawn(layer, 4)
    y, _ = layer.forward(params, x, fn.Context())
    state, outputs = layer.start(params, 3), []
    for x_t in x:
        state, out = layer.step(params, state, x_t)
        outputs.append(out)
    np.testing.assert_allclose(jnp.stack(outputs), y, rtol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_that_was_handed_on_is_a_constant(cell):
    layer, fast = (made(cell, each, learn_initial_state=True) for each in ("plain", "fast"))
    params, x, d_y, _ = drawn(layer, 3)
    state = jax.tree.map(lambda part: part + 0.5, layer.start(params, 3))
    y, (d_params, d_x), _ = derivations(layer, params, x, d_y, None, state)
    assert not any(part.any() for part in d_params.initial_state)
    fast_y, (_, fast_d_x), _ = derivations(fast, params, x, d_y, None, state)
    assert_equal_leaves((y, d_x), (fast_y, fast_d_x), "float32")


@pytest.mark.parametrize("cell", CELLS)
def test_other_implementations_are_refused(cell):
    with pytest.raises(ValueError, match=f'{cell}: implementation is \'quick\', expected "fast".*"plain".*choose one'):
        made(cell, "quick")
    with pytest.raises(
        ValueError, match=f"{cell}: checkpoint_every is 2 with .*fnnets/kernels/scan.py keeps checkpoints"
    ):
        made(cell, "plain", checkpoint_every=2)


def test_networks_have_the_option():
    objective = fn.objectives.sigmoid_cross_entropy
    assert fn.recurrent([3, 4, 2], objective=objective) is fn.recurrent(
        [3, 4, 2], objective=objective, implementation="fast"
    )
    with pytest.raises(ValueError, match="recurrent: implementation is 'quick'"):
        fn.recurrent([3, 4, 2], "gru", objective=objective, implementation="quick")
    with pytest.raises(ValueError, match="recurrent: checkpoint_every is 2 with"):
        fn.recurrent([3, 4, 2], objective=objective, implementation="plain", checkpoint_every=2)
