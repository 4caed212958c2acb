"""Shares of a minibatch: sums, means and random numbers are those of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import fnnets as fn
from fnnets.core import shares

KEY = jax.random.key(8)


def shared(function, *specs, out, devices=4):
    mesh = Mesh(np.array(jax.devices()[:devices]), ("data",))
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False))


def test_outside_of_devices_there_is_one_share():
    assert shares.count() == 1
    assert shares.index() == 0
    assert shares.total(3.0) == 3.0


def test_totals_and_means_are_those_of_all_shares():
    x, w = np.arange(16.0, dtype=np.float32).reshape(8, 2), np.arange(8, dtype=np.float32)

    def function(x, w):
        context = fn.Context(weights=w, total_weight=28.0)
        return shares.total(x.sum()), context.mean(x), shares.index()[None], shares.gathered(w[0])

    total, mean, numbers, firsts = shared(function, P("data"), P("data"), out=(P(), P(), P("data"), P()))(x, w)
    assert total == 120
    np.testing.assert_allclose(mean, np.average(x, axis=0, weights=w), rtol=1e-6)
    assert numbers.tolist() == [0, 1, 2, 3]
    assert firsts.tolist() == [0, 2, 4, 6]


def test_a_mesh_over_something_else_has_no_shares():
    mesh = Mesh(np.array(jax.devices()[:2]), ("members",))
    function = jax.shard_map(lambda x: shares.count() * x, mesh=mesh, in_specs=P("members"), out_specs=P("members"))
    assert jax.jit(function)(jnp.ones(2)).tolist() == [1, 1]


DRAWS = {
    "bernoulli": lambda key, shape: jax.random.bernoulli(key, 0.3, shape),
    "uniform": jax.random.uniform,
    "normal": jax.random.normal,
    "normal of 16 bits": lambda key, shape: jax.random.normal(key, shape, jnp.bfloat16),
    "bytes": lambda key, shape: jax.random.bits(key, shape, jnp.uint8),
    "of a split key": lambda key, shape: jax.random.uniform(jax.random.split(key, 3)[1], shape),
    "of a folded key": lambda key, shape: jax.random.uniform(jax.random.fold_in(key, 7), shape),
}


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg", "raw", "double"])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_share_draws_its_rows_of_the_whole(draw, kind):
    """Seven examples in three shares of three, along the first axis and the second; the last two rows fill up."""
    key = jax.random.PRNGKey(3) if kind == "raw" else jax.random.key(3, impl=kind if kind == "rbg" else None)
    with jax.enable_x64(kind == "double"):
        for axis, whole in ((0, (7, 4)), (1, (5, 7, 2))):
            wanted, shape = draw(key, whole), (*whole[:axis], 3, *whole[axis + 1 :])
            for start in (0, 3, 6):
                found = jax.jit(lambda key: draw(key, shape))(shares.key_of(key, start, 3, 7, axis))  # noqa: B023
                rows = min(3, 7 - start)
                np.testing.assert_array_equal(
                    jnp.take(found, jnp.arange(rows), axis), jnp.take(wanted, start + jnp.arange(rows), axis)
                )


def test_an_array_of_other_rows_is_the_same_in_all_shares():
    for start in (0, 3):
        found = jax.random.uniform(shares.key_of(KEY, start, 3, 6), (4, 2))
        np.testing.assert_array_equal(found, jax.random.uniform(KEY, (4, 2)))


def test_a_key_of_a_share_turns_to_another_axis_and_back_to_the_whole():
    part = jax.random.fold_in(shares.key_of(KEY, 2, 2, 4), 1)
    whole = jax.random.fold_in(KEY, 1)
    np.testing.assert_array_equal(
        jax.random.uniform(shares.along(part, 1), (3, 2)), jax.random.uniform(whole, (3, 4))[:, 2:]
    )
    np.testing.assert_array_equal(jax.random.uniform(shares.common(part), (2, 2)), jax.random.uniform(whole, (2, 2)))
    assert shares.common(KEY) is KEY
    assert shares.along(KEY, 1) is KEY


def test_a_share_alone_has_no_means_of_the_whole():
    net = fn.autoencoder([6, 4], code_activation=fn.activations.sigmoid, sparsity=0.1)
    batch = fn.Batch(jnp.full((3, 6), 0.5), total_weight=6.0)
    with pytest.raises(ValueError, match=r"no other share is known here, expected the call within jax\.shard_map"):
        net.gradient(net.init(KEY), batch)
    with pytest.raises(ValueError, match=r"no other share is known here"):
        fn.Context(total_weight=6.0).mean(jnp.ones((3, 2)))
