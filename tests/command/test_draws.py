"""Draws of seeds: every size, mask and kind of values comes up, and shapes change every few seeds only."""

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.command import draws, generic

SEEDS = range(12 * draws.EVERY)
TAKEN = (4, 6, 3)


def test_shapes_change_every_few_seeds():
    found = [draws.leading(draws.draw(seed), TAKEN, True) for seed in SEEDS]
    groups = [set(found[i : i + draws.EVERY]) for i in range(0, len(found), draws.EVERY)]
    assert all(len(group) == 1 for group in groups)
    assert len(set(found)) > 6
    later = found[draws.EVERY :]
    assert all(draws.LEAST <= size <= draws.MOST for shape in later for size in shape)
    assert any(set(shape) <= set(TAKEN) for shape in later)
    assert any(not set(shape) & set(TAKEN) for shape in later)


def test_masks_of_every_kind():
    """Each sequence has a real step; lengths of 1 and T, gaps, padding in front, nothing padded, and no mask at all."""
    found = [draws.mask(draws.draw(seed), (6, 5)) for seed in SEEDS]
    assert any(each is None for each in found)
    masks = [each for each in found if each is not None]
    assert all(each.any(axis=0).all() for each in masks)
    assert any(each.all() for each in masks)
    padded = [each for each in masks if not each.all()]
    assert all(each.sum(axis=0).min() == 1 for each in padded)
    assert any(not each[0].all() for each in padded)
    gaps = [np.any((~each[1:-1]) & each[:-2] & (each[2:].any(axis=0))) for each in padded]
    assert any(gaps)
    assert draws.mask(draws.draw(0), (1, 1)).all()


@pytest.mark.parametrize("kind", draws.VALUES)
@pytest.mark.parametrize("axis", [0, 1])
def test_values_of_a_kind(kind, axis):
    drawn = draws.draw(draws.VALUES.index(kind))
    x = np.moveaxis(draws.values(drawn, (3, 4, 5)[1 - axis :], axis, None), axis, 0)
    assert np.isfinite(x).all()
    assert np.array_equal(x[0], x[1]) == (kind == "repeated")
    assert (not x[0].any()) == (kind == "zeros")
    assert (np.abs(x).max() < 0.2) == (kind == "small")
    assert np.array_equal(x, np.round(2 * x) / 2) == (kind == "ties")
    inside = draws.values(drawn, (4, 5), 0, (0.0, 1.0))
    assert inside.min() >= 0
    assert inside.max() <= 1


def test_every_kind_of_batch_comes_up():
    """Labels and shares, weights of examples and of steps, whole inputs: all that such a network takes."""
    net = fn.recurrent([4, 6, 3], "gru", objective=fn.objectives.softmax_log_likelihood)
    batches = [generic.of_network(net, seed)[1] for seed in range(0, 12 * draws.EVERY, draws.EVERY)]
    assert {each.targets.ndim for each in batches} == {2, 3}
    assert {None if each.weights is None else each.weights.ndim for each in batches} == {None, 1, 2}
    assert {each.inputs.dtype.kind for each in batches} == {"f", "i"}
    assert all(np.isfinite(net.cost(net.init(jax.random.key(0)), each)) for each in batches)


@pytest.mark.parametrize(
    "net",
    [
        fn.rbm(4, 3), fn.rbm(4, 3, visible_units="gaussian"), fn.autoencoder([6, 4], corruption=0.3),
        fn.recurrent([4, 6, 3], objective=fn.objectives.linear_squared_error, return_sequences=False),
    ],
    ids=["rbm", "gaussian", "autoencoder", "last step"],
)  # fmt: skip
def test_a_network_takes_every_draw(net):
    """`cost` checks domain, masks, weights and targets."""
    for seed in (*range(0, 8 * draws.EVERY, draws.EVERY), *range(1, len(draws.VALUES))):
        params, batch, key = generic.of_network(net, seed)
        assert np.isfinite(net.cost(params, batch, key=key))


def test_a_layer_takes_every_draw():
    """Features of other sizes, as many as the outputs among them, and states to go on from."""
    layer, found = fn.layers.lstm(3), []
    for seed in range(0, 8 * draws.EVERY, draws.EVERY):
        shape = generic.guessed(layer, seed)
        params, x, context, _ = generic.of_layer(layer, shape, seed)
        assert np.isfinite(layer.forward(params, x, context)[0]).all()
        found.append((shape, context.state is None))
    assert len({shape for shape, _ in found}) > 2
    assert {is_none for _, is_none in found} == {True, False}
    assert generic.guessed(fn.layers.dense(3), draws.EVERY) == (3,)
