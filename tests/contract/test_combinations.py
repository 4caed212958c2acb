"""Explicit against automatic for every feedforward network: depth x activation x objective x penalty x dropout."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves
from tests.contract.rows import examples
from tests.contract.table import ACTIVATIONS, OBJECTIVES

N = 5


@functools.cache
def drawn(sizes, keep, dtype):
    """Parameters as `init` draws them by default, w ~ N(0, 1/p) and b ~ N(0, 1): alike for all that follows."""
    net = fn.feedforward(sizes, objective=fn.objectives.linear_squared_error, dropout=keep)
    random = np.random.default_rng(0)

    def draw(leaf):
        scale = leaf.shape[-1] ** -0.5 if len(leaf.shape) == 2 else 1.0
        return jnp.asarray(scale * random.normal(size=leaf.shape), leaf.dtype)

    return jax.tree.map(draw, jax.eval_shape(net.init, jax.random.key(0)))


COMBINATIONS = list(itertools.product(ACTIVATIONS, OBJECTIVES))


@pytest.mark.parametrize(("activation", "objective"), COMBINATIONS, ids=map(" + ".join, COMBINATIONS))
def test_every_combination(activation, objective, key, dtype):
    """2-4 layers, with and without L2 and dropout, for each activation and objective."""
    for layers, l2, keep in itertools.product((2, 3, 4), (0.0, 0.7), (None, 0.5)):
        sizes = [*[6, 5, 4, 3][4 - layers :], 3]
        net = fn.feedforward(sizes, ACTIVATIONS[activation], objective=OBJECTIVES[objective], dropout=keep, l2=l2)
        params = drawn(tuple(sizes), keep, dtype)
        batch = examples((sizes[0],), 3, objective.endswith("labels"))(1, N)
        draw = None if keep is None else key
        assert_equal_leaves(net.gradient(params, batch, key=draw), jax.grad(net.cost)(params, batch, key=draw), dtype)
