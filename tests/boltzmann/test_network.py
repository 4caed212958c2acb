"""RBMs in training: samplers in the state, centring as its derivation has it, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.boltzmann.network import Offsets
from tests.contract.laws import generic

sampling = fn.boltzmann
V = (np.random.default_rng(0).random((30, 6)) < 0.4).astype(np.float32)
KEY = jax.random.key(3)


def fit(rbm, **settings):
    settings = {"key": KEY, "epochs": 2, "batch_size": 10, "progress": False, **settings}
    return fn.fit(rbm, fn.training.momentum(0.1, 0.5), fn.Batch(V), **settings)


@pytest.mark.parametrize(
    "sampler",
    [sampling.contrastive_divergence(), sampling.contrastive_divergence(2, means=True),
     sampling.persistent_contrastive_divergence(2, chains=5), sampling.parallel_tempering(chains=4, temperatures=3)],
    ids=["CD", "means", "PCD", "tempered"],
)  # fmt: skip
def test_by_hand_and_by_automatic_differentiation_training_is_the_same(sampler):
    rbm = fn.rbm(6, 4, sampler=sampler, centred=0.1, l2=0.3, sparsity=0.2, mean=V.mean(axis=0))
    explicit, automatic = (fit(rbm, gradient=kind) for kind in ("explicit", "automatic"))
    for ours, theirs in zip(explicit.params, automatic.params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not np.allclose(explicit.params.weights, rbm.init(KEY).weights, atol=0.01)


def test_an_epoch_is_the_loop_one_would_write():
    rbm = fn.rbm(6, 4, sampler=sampling.persistent_contrastive_divergence(1, chains=5))
    state = fn.training.start(rbm, fn.training.momentum(0.1), key=KEY)
    result = fn.fit(rbm, fn.training.momentum(0.1), fn.Batch(V), key=KEY, epochs=1, batch_size=30, progress=False)
    params, chains = state.params, state.memory
    assert not np.array_equal(chains, result.state.memory)
    energies = fn.boltzmann
    asleep, awake = (energies.statistics(rbm, params, v) for v in (result.state.memory, V))
    for w, new, model, data in zip(params, result.params, asleep, awake, strict=True):
        np.testing.assert_allclose(new, w - 0.1 * (model - data), rtol=1e-4, atol=1e-6)


def test_persistent_chains_go_on_where_they_were_and_resumed_training_is_bitwise_the_same():
    rbm = fn.rbm(6, 4, sampler=sampling.persistent_contrastive_divergence(1, chains=5), deviation=2.0)
    whole = fit(rbm, epochs=3)
    half = fit(rbm, epochs=2)
    resumed = fit(rbm, epochs=1, key=None, state=half.state)
    jax.tree.map(np.testing.assert_array_equal, whole.params, resumed.params)
    np.testing.assert_array_equal(whole.state.memory, resumed.state.memory)
    reset = fit(rbm, epochs=1, key=None, state=half.state._replace(memory=1 - half.state.memory))
    assert not np.array_equal(reset.params.weights, whole.params.weights)


def test_centred_steps_are_those_of_the_centred_energy():
    """One step of E = −(v − μ)·Wᵀ(h − ω) − b·(v − μ) − c·(h − ω) by jax.grad, its biases turned into plain ones."""
    with jax.enable_x64(True):
        rbm = fn.rbm(6, 4, centred=0.5)
        params = generic(1, rbm.init(KEY))
        v, samples = (jnp.asarray(np.random.default_rng(i).random((5, 6))) for i in (1, 2))
        mu, omega = (jnp.asarray(np.random.default_rng(i).random(n)) for i, n in ((3, 6), (4, 4)))

        def centred_energy(centred, v):
            w, b, c = centred
            return -jnp.sum((v - mu) * b, -1) + jnp.sum(
                omega * (c + (v - mu) @ w.T) - jax.nn.softplus(c + (v - mu) @ w.T), -1
            )

        def difference(centred):
            return jnp.mean(centred_energy(centred, v)) - jnp.mean(centred_energy(centred, samples))

        def plain(centred):
            w, b, c = centred
            return w, b - w.T @ omega, c - w @ mu

        w, b, c = params
        centred = w, b + w.T @ omega, c + w @ mu
        stepped = plain(jax.tree.map(lambda leaf, d: leaf - 0.3 * d, centred, jax.grad(difference)(centred)))
        memory = Offsets(mu, omega, ())
        direction = rbm.sampler.transform_gradient(memory, rbm.gradient(params, fn.Batch(v, samples)))
        for leaf, d, expected in zip(params, direction, stepped, strict=True):
            np.testing.assert_allclose(leaf - 0.3 * d, expected, rtol=1e-12)
        gradient = rbm.gradient(params, fn.Batch(v, samples))
        assert not np.allclose(direction.weights, gradient.weights, rtol=0.1)


def test_offsets_move_towards_the_means_of_the_minibatch():
    rbm = fn.rbm(6, 4, centred=0.25, mean=V.mean(axis=0))
    params = generic(1, rbm.init(KEY))
    before = rbm.sampler.start(params, KEY)
    _, after = rbm.sampler.draw(params, before, fn.Batch(jnp.asarray(V[:9])), KEY)
    np.testing.assert_allclose(after.visible, 0.75 * before.visible + 0.25 * V[:9].mean(0), rtol=1e-5)
    hidden = rbm.predict(params, V[:9]).mean(axis=0)
    np.testing.assert_allclose(after.hidden, 0.75 * before.hidden + 0.25 * hidden, rtol=1e-5)


def test_parameters_decide_the_precision_of_training_and_of_its_chains():
    rbm = fn.rbm(6, 4, sampler=sampling.contrastive_divergence(2), centred=0.1)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), rbm.init(KEY))
    result = fit(rbm, params=params, epochs=1)
    assert {leaf.dtype for leaf in jax.tree.leaves((result.params, result.state.memory))} == {jnp.dtype(jnp.bfloat16)}


def test_rbms_train_side_by_side_as_each_alone():
    rbm = fn.rbm(6, 4, sampler=sampling.persistent_contrastive_divergence(chains=5), centred=0.1)
    keys = jax.random.split(KEY, 2)
    many = fn.training.fit_many(
        lambda: (rbm, fn.training.momentum(0.1, 0.5)),
        fn.Batch(V),
        keys=keys,
        epochs=2,
        batch_size=10,
        progress=False,
    )
    np.testing.assert_allclose(many.params.weights[1], fit(rbm, key=keys[1]).params.weights, atol=1e-5)


def test_visible_biases_begin_at_the_log_odds_of_the_mean():
    mean = np.array([0.25, 0.5, 0.0])
    biases = fn.rbm(3, 2, mean=mean).init(KEY).visible_biases
    np.testing.assert_allclose(biases, [np.log(1 / 3), 0, -np.log(999)], atol=1e-6)
    gaussian = fn.rbm(3, 2, mean=4 * mean, visible_units="gaussian").init(KEY).visible_biases
    np.testing.assert_allclose(gaussian, 4 * mean)


def test_sparsity_drives_the_mean_activity_to_its_target():
    rbm = fn.rbm(6, 4, sparsity=fn.Sparsity(0.1, 5.0))
    params = fit(rbm, epochs=60).params
    np.testing.assert_allclose(np.asarray(rbm.predict(params, V)).mean(axis=0), 0.1, atol=0.06)
    free = fit(fn.rbm(6, 4), epochs=60).params
    assert np.abs(np.asarray(rbm.predict(free, V)).mean(axis=0) - 0.1).max() > 0.2


def test_bars_and_stripes_become_likelier():
    lines = np.array([[i >> k & 1 for k in range(3)] for i in range(8)], np.float32)
    pictures = np.unique(np.concatenate([np.repeat(lines, 3, axis=1), np.tile(lines, 3)]), axis=0)
    assert pictures.shape == (14, 9)
    v = np.tile(pictures, (10, 1))
    rbm = fn.rbm(
        9, 6, sampler=sampling.persistent_contrastive_divergence(2, chains=50), mean=v.mean(axis=0), deviation=0.1
    )
    result = fn.fit(
        rbm, fn.training.momentum(0.1, 0.5), fn.Batch(v), key=KEY, epochs=150, batch_size=14, progress=False
    )
    every = np.array([[i >> k & 1 for k in range(9)] for i in range(512)], np.float32)
    f = np.asarray(fn.boltzmann.free_energy(rbm, result.params, every), np.float64)
    f_data = np.asarray(fn.boltzmann.free_energy(rbm, result.params, pictures), np.float64)
    likelihood = np.mean(-f_data) - np.log(np.exp(-f).sum())
    assert likelihood > -4.2  # uniform over all 512: −6.24; over the 14 pictures, the best there is: −2.64


def test_the_monitor_is_the_mean_free_energy_and_early_stopping_by_it_is_refused():
    rbm = fn.rbm(6, 4)
    result = fit(rbm, epochs=1, validation=fn.Batch(V[:8]))
    gap = fn.boltzmann.free_energy_gap(rbm, result.params, V, V[:8])
    history = result.history
    np.testing.assert_allclose(history.validation_cost[-1] - history.cost[-1], gap, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="patience is given for an RBM"):
        fit(rbm, validation=fn.Batch(V[:8]), patience=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"visible": 0}, "visible is 0"),
        ({"hidden": 0}, "hidden is 0"),
        ({"visible_units": "ternary"}, "visible_units is 'ternary'"),
        ({"visible_units": "gaussian", "hidden_units": "gaussian"}, "both 'gaussian'"),
        ({"mean": np.ones(3)}, r"mean has shape \(3,\), expected \(6,\)"),
        ({"mean": 2 * np.ones(6)}, "mean holds values from 2 to 2"),
        ({"centred": 0.0}, "centred is 0.0"),
        ({"deviation": -1.0}, "deviation is -1.0"),
        ({"l2": -1.0}, "l2 is -1.0"),
        ({"sparsity": 0.1, "hidden_units": "gaussian"}, "sparsity is given for Gaussian"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fn.rbm(**{"visible": 6, "hidden": 4, **settings})


def test_a_sampler_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"rbm: sampler is 'CD'"):
        fn.rbm(6, 4, sampler="CD")
    name = "persistent_contrastive_divergence"
    with pytest.raises(TypeError, match=rf"sampler is the function {name} itself.* call it: {name}\(\)"):
        fn.rbm(6, 4, sampler=sampling.persistent_contrastive_divergence)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampling.contrastive_divergence(0), "k is 0"),
        (lambda: sampling.persistent_contrastive_divergence(-1), "k is -1"),
        (lambda: sampling.persistent_contrastive_divergence(chains=0), "chains is 0"),
        (lambda: sampling.parallel_tempering(temperatures=1), "temperatures is 1"),
        (lambda: fit(fn.rbm(6, 4), state=None, batch_size=31), "batch_size is 31"),
    ],
)
def test_numbers_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_samples_are_drawn_in_training_and_not_given():
    with pytest.raises(ValueError, match=r"fit: train\.targets are given"):
        fn.fit(fn.rbm(6, 4), fn.training.momentum(0.1), fn.Batch(V, V), key=KEY)


@pytest.mark.parametrize(("units", "v"), [("binary", 3 * V), ("gaussian", np.nan * V)])
def test_data_that_units_cannot_take_are_refused_before_training(units, v):
    with pytest.raises(ValueError, match=r"fit: train\.inputs holds"):
        fn.fit(fn.rbm(6, 4, visible_units=units), fn.training.momentum(0.1), fn.Batch(v), key=KEY)


def test_it_prints_its_units():
    expected = """\
         size    units     parameters
visible  4       gaussian  4
hidden   3       binary    3
weights  (3, 4)            12
19 parameters, restricted Boltzmann machine, λ = 0.5, sparsity 0.1"""
    rbm = fn.rbm(4, 3, visible_units="gaussian", l2=0.5, sparsity=0.1)
    assert str(rbm) == repr(rbm) == expected
    assert str(rbm._replace(l2=0.0)).endswith("machine, sparsity 0.1")


def test_predict_names_its_own_arguments():
    rbm = fn.rbm(4, 3)
    params = rbm.init(jax.random.key(0))
    with pytest.raises(ValueError, match="predict: inputs holds values from 2 to 2, expected 0 to 1"):
        rbm.predict(params, np.full((2, 4), 2.0))
    with pytest.raises(TypeError, match="predict: inputs is of type Batch, expected an array; give its inputs"):
        rbm.predict(params, fn.Batch(np.ones((2, 4))))
    with pytest.raises(ValueError, match="mask is given, but an RBM reads no sequences, expected None; leave"):
        rbm.predict(params, np.ones((2, 4)), np.ones(2, bool))


@pytest.mark.parametrize("rule", ["contrastive_divergence", "persistent_contrastive_divergence", "parallel_tempering"])
def test_samplers_of_other_units_are_refused(rule):
    """A chain of binary units would draw samples that no Gaussian unit has."""
    binary = fn.rbm(4, 3, sampler=getattr(fn.boltzmann, rule)())
    assert fn.rbm(5, 2, sampler=binary.sampler).input_shape == (5,)
    with pytest.raises(
        ValueError, match=r"with \('binary', 'binary'\) units, .* expected \('gaussian', 'binary'\); write"
    ):
        fn.rbm(4, 3, visible_units="gaussian", sampler=binary.sampler)
