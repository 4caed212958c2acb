"""Each member of fit_many equals its own fit to rounding."""

import functools
import re
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import fnnets as fn
from fnnets.training import many
from tests.training.test_fit import KEY, NET, Interrupting, blobs
from tests.training.test_fit_of_sequences import echoes

KEYS = jax.random.split(KEY, 3)
QUIET = {"epochs": 3, "batch_size": 10, "progress": False}


COLLECTIVES = (
    r"\b(all-reduce|all-gather|collective-permute|all-to-all|reduce-scatter|collective-broadcast)(?:-start)?\("
)


def mesh(count, axis="members"):
    return Mesh(np.array(jax.devices()[:count]), (axis,))


def build(rate, l2):
    net = fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, l2=l2, dropout=0.2)
    return net, fn.training.momentum(rate, 0.5)


def sweep(count):
    return {"rate": list(np.linspace(0.1, 0.4, count)), "l2": list(np.linspace(0.0, 2.0, count))}


def programs(monkeypatch):
    """The texts of the programs that are compiled from here on."""
    texts, compile_ = [], jax.stages.Lowered.compile

    def noting(self, *args, **kwargs):
        compiled = compile_(self, *args, **kwargs)
        texts.append(compiled.as_text())
        return compiled

    monkeypatch.setattr(jax.stages.Lowered, "compile", noting)
    return texts


def fetched(leaf):
    """An array of NumPy, so that to index it compiles nothing."""
    return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)


@functools.cache
def alone_in_float64(count, k):
    """The own fit of member k of so many, which is the same wherever the members run."""
    numbers, keys = sweep(count), jax.random.split(KEY, count)
    own = build(numbers["rate"][k], numbers["l2"][k])
    return fn.fit(*own, blobs(43), key=keys[k], **QUIET | {"epochs": 2})


@pytest.mark.parametrize(
    ("count", "placing", "cache"),
    [
        (6, {}, many.CACHE),
        (6, {}, 0),  # groups of one
        (6, {}, 4_000),  # groups of two or three
        (8, {"devices": "all"}, many.CACHE),
        (6, {"mesh": 2}, many.CACHE),
        (6, {"mesh": 2}, 0),
        (2, {"mesh": 1}, many.CACHE),
    ],
)
def test_members_equal_their_own_fits_wherever_they_run(monkeypatch, count, placing, cache):
    """Sharded or not, in groups or all at once: in float64 to 1e-12. The last minibatch is short."""
    monkeypatch.setattr(many, "CACHE", cache)
    placing = {"mesh": mesh(placing["mesh"])} if "mesh" in placing else placing
    settings = QUIET | {"epochs": 2}
    with jax.enable_x64(True):
        train, keys, numbers = blobs(43), jax.random.split(KEY, count), sweep(count)
        together = fn.training.fit_many(build, train, keys=keys, hyperparameters=numbers, **settings, **placing)
        leaves = jax.tree.leaves(together.state)
        for k in range(0, count, 3):
            alone = alone_in_float64(count, k)
            for members, b in zip(map(fetched, leaves), map(fetched, jax.tree.leaves(alone.state)), strict=True):
                a = members[k]
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(together.history.cost[:, k], alone.history.cost, rtol=1e-12)
            np.testing.assert_allclose(together.history.accuracy[:, k], alone.history.accuracy)
    assert together.params[0].weights.dtype == "float64"
    assert together.history.cost.shape == (2, count)
    assert together.diverged.shape == (count,)


def test_groups_run_in_threads_side_by_side(monkeypatch):
    """Each of two groups waits until the other has begun: one after the other they would wait for ever."""
    monkeypatch.setattr(many, "CACHE", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    both, grouped = threading.Barrier(2, timeout=20), many._grouped

    def meeting(*args):
        run, states = grouped(*args)

        def met(i, state):
            both.wait()
            return run(i, state)

        return met, states

    monkeypatch.setattr(many, "_grouped", meeting)
    descent = fn.training.momentum(0.3)
    result = fn.training.fit_many(lambda: (NET, descent), blobs(40), keys=KEYS[:2], **QUIET)
    assert result.state.epoch.tolist() == [3, 3]


def test_devices_exchange_nothing(monkeypatch):
    texts = programs(monkeypatch)
    fn.training.fit_many(
        build, blobs(40), keys=jax.random.split(KEY, 8), hyperparameters=sweep(8), devices="all", **QUIET
    )
    assert "num_partitions=8" in texts[-1]  # it is the sharded epoch that is read
    assert [re.findall(COLLECTIVES, text) for text in texts] == [[]] * len(texts)


def test_an_exchange_would_be_seen(monkeypatch):
    """The test of the test: a step that looks at the other members."""
    advance = many.advance

    def looking(*args):
        step = advance(*args)

        def looks(state, train, monitored):
            state, report = step(state, train, monitored)
            return state, report._replace(finite=jax.lax.pmin(report.finite.astype("int32"), "members") > 0)

        return looks

    monkeypatch.setattr(many, "advance", looking)
    texts = programs(monkeypatch)
    fn.training.fit_many(lambda: (NET, fn.training.momentum(0.1)), blobs(40), keys=KEYS[:2], mesh=mesh(2), **QUIET)
    assert "all-reduce" in re.findall(COLLECTIVES, texts[-1])


def test_the_state_lies_cut_over_the_devices(standard_promotion):
    keys = jax.random.split(KEY, 8)
    result = fn.training.fit_many(lambda: (NET, optax.adam(0.1)), blobs(40), keys=keys, devices="all", **QUIET)
    for leaf in jax.tree.leaves(result.params):
        assert leaf.sharding.spec == P("members")
        assert leaf.addressable_shards[0].data.shape[0] == 1


def test_members_over_keys_equal_their_own_fits():
    descent = fn.training.momentum(0.3, 0.5)
    together = fn.training.fit_many(lambda: (NET, descent), blobs(40), keys=KEYS, validation=blobs(20), **QUIET)
    for k in range(3):
        alone = fn.fit(NET, descent, blobs(40), key=KEYS[k], validation=blobs(20), **QUIET)
        member = jax.tree.map(lambda leaf, k=k: np.asarray(leaf)[k], together.params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), member, alone.params)
        np.testing.assert_allclose(together.history.validation_cost[:, k], alone.history.validation_cost, rtol=1e-4)
        assert int(together.state.best.epoch[k]) == int(alone.state.best.epoch)


def test_members_that_read_padded_sequences_equal_their_own_fits():
    """An lstm with checkpoints under vmap; the last minibatch is short."""
    net = fn.recurrent(
        [1, 4, 2], "lstm", objective=fn.objectives.softmax_log_likelihood, checkpoint_every=4, learn_initial_state=True
    )
    settings = QUIET | {"epochs": 2, "batch_size": 4}
    descent = fn.training.momentum(0.3, 0.5)
    together = fn.training.fit_many(lambda: (net, descent), echoes(10), keys=KEYS, **settings)
    for k in range(3):
        alone = fn.fit(net, descent, echoes(10), key=KEYS[k], **settings)
        member = jax.tree.map(lambda leaf, k=k: np.asarray(leaf)[k], together.params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), member, alone.params)
        np.testing.assert_allclose(together.history.accuracy[:, k], alone.history.accuracy, rtol=1e-6)


def test_members_over_numbers_equal_their_own_fits():
    def build(rate, l2):
        net = fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, l2=l2)
        return net, fn.training.momentum(rate)

    numbers = {"rate": [0.1, 0.2, 0.3], "l2": [0.0, 1.0, 2.0]}
    together = fn.training.fit_many(build, blobs(40), keys=KEYS, hyperparameters=numbers, **QUIET)
    for k in range(3):
        net, descent = build(numbers["rate"][k], numbers["l2"][k])
        alone = fn.fit(net, descent, blobs(40), key=KEYS[k], **QUIET)
        np.testing.assert_allclose(together.history.cost[:, k], alone.history.cost, rtol=1e-4)


def test_a_diverged_member_leaves_the_others_alone():
    def build(rate):
        net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
        return net, fn.training.momentum(rate)

    train = fn.Batch(blobs(40).inputs, jax.nn.one_hot(blobs(40).targets, 3))
    result = fn.training.fit_many(build, train, keys=KEYS, hyperparameters={"rate": [0.01, 1e30, 0.02]}, **QUIET)
    assert result.diverged.tolist() == [False, True, False]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))


def test_ctrl_c_returns_what_was_learnt(monkeypatch):
    monkeypatch.setattr("sys.stderr", Interrupting())
    settings = QUIET | {"epochs": 100, "progress": True}
    result = fn.training.fit_many(lambda: (NET, fn.training.momentum(0.1)), blobs(40), keys=KEYS, **settings)
    assert result.history.cost.shape == (2, 3)
    assert result.state.epoch.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"keys": KEY}, TypeError, "expected .K,. PRNG keys"),
        ({"hyperparameters": {"rate": [0.1]}}, ValueError, r"hyperparameters\['rate'\] has shape \(1,\)"),
        ({"hyperparameters": {"rate": [0.1, np.nan, 0.2]}}, ValueError, "NaN"),
        ({"batch_size": 100}, ValueError, "batch_size is 100"),
        ({"devices": "all"}, ValueError, "keys are 3, which the 8 devices .* do not divide; give 8 keys"),
        ({"mesh": 2}, ValueError, "keys are 3, which the 2 devices .* or a mesh of 1 devices"),
        ({"devices": "gpu"}, ValueError, "devices is 'gpu', expected 'all' or None"),
        ({"mesh": "data"}, ValueError, r"mesh has the axes \('data',\), expected 'members' alone"),
        ({"mesh": 3, "devices": "all"}, ValueError, "mesh and devices are both given"),
        ({"mesh": 3.0}, TypeError, "mesh is 3.0 of type float, expected Mesh"),
    ],
)
def test_bad_arguments_are_refused(settings, error, message):
    def build(rate=0.1):
        return NET, fn.training.momentum(rate)

    if isinstance(settings.get("mesh"), int | str):
        at = settings["mesh"]
        settings = settings | {"mesh": mesh(at) if isinstance(at, int) else mesh(3, at)}
    with pytest.raises(error, match=message):
        fn.training.fit_many(build, blobs(40), **({"keys": KEYS} | QUIET | settings))


def old_keys():
    return jax.random.split(jax.random.PRNGKey(0), 2)


def test_keys_of_the_older_kind_are_taken():
    data = blobs(20)
    together = fn.training.fit_many(lambda: (NET, fn.training.momentum(0.1)), data, keys=old_keys(), **QUIET)
    for k, key in enumerate(old_keys()):
        alone = fn.fit(NET, fn.training.momentum(0.1), data, key=key, **QUIET)
        np.testing.assert_allclose(together.params[0].weights[k], alone.params[0].weights, rtol=1e-4, atol=1e-6)


def test_the_numbers_of_every_member_are_checked_as_its_own_fit_would():
    """Those of the first alone were: the others are traced, and nothing is known of traced numbers."""
    with pytest.raises(ValueError, match=r"momentum: learning_rate is -0\.2.*, expected a finite number > 0") as caught:
        fn.training.fit_many(
            lambda rate: (NET, fn.training.momentum(rate)), blobs(20), keys=KEYS,
            hyperparameters={"rate": [0.1, -0.2, 0.3]}, **QUIET,
        )  # fmt: skip
    assert "fit_many: raised by build of {'rate': -0.2" in caught.value.__notes__[0]


def fitted(build, values, **settings):
    return fn.training.fit_many(build, blobs(20), keys=KEYS, hyperparameters={"rate": values}, **QUIET | settings)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda rate: (NET if rate < 0.2 else build(0.1, 0.0)[0], None), "gives None of type NoneType in place of an"),
        (
            lambda rate: (NET, fn.training.momentum(rate if rate < 0.2 else 0.2)),
            "build needs the values of its numbers",
        ),
        (lambda rate: (NET, fn.training.momentum(float(rate))), "build needs the values of its numbers"),
        (lambda rate: (NET, fn.training.momentum(np.sqrt(rate))), "build needs the values of its numbers"),
        (lambda: (NET, fn.training.momentum(0.1)), r"build takes \(\), but hyperparameters give \('rate',\)"),
    ],
)
def test_builds_that_cannot_be_traced_are_refused(build, message):
    with pytest.raises(TypeError, match=message):
        fitted(build, [0.1, 0.2, 0.3])


def test_networks_of_several_shapes_are_refused():
    def shaped(rate):
        sizes = [4, 5 if rate < 0.2 else 6, 3]
        return fn.feedforward(sizes, objective=fn.objectives.softmax_log_likelihood), fn.training.momentum(rate)

    with pytest.raises(
        ValueError, match=r"params of what build gives for \{'rate': 0.2.* shape \(6, 4\), expected \(5, 4"
    ):
        fitted(shaped, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("values", [[True, False, True], ["0.1", "0.2", "0.3"], [0.1, 0.2, 1e300], [0.1, 0.2, 1j]])
def test_values_that_are_no_numbers_are_refused(values):
    with pytest.raises((TypeError, ValueError), match=r"fit_many: hyperparameters\['rate'\] .*expected"):
        fitted(lambda rate: (NET, fn.training.momentum(rate)), values)


def test_traced_keys_are_refused_and_generators_of_numbers_taken():
    def build(rate):
        return NET, fn.training.momentum(rate)

    data = blobs(20)
    with pytest.raises(TypeError, match="fit_many: keys are traced, expected keys with values; call fit_many outside"):
        jax.jit(lambda keys: fn.training.fit_many(lambda: build(0.1), data, keys=keys, **QUIET))(KEYS)
    with pytest.raises(ValueError, match=r"hyperparameters\['rate'\] has shape \(2,\), expected \(3,\)"):
        fitted(build, (rate for rate in (0.1, 0.2)))
