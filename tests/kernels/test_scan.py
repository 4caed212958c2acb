"""Backward through time: every cell and length, segments, checkpoints, truncation, memory; faults that must show."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.kernels import paths, scan
from tests.contract.laws import assert_equal_leaves, derivations, drawn
from tests.contract.rows import padding

RECURRENT, LSTM, GRU = fn.layers.recurrent, fn.layers.lstm, fn.layers.gru
BIDIRECTIONAL = fn.layers.bidirectional
LENGTHS = (1, 2, 3, 17, 200)
CELLS = {
    "recurrent": lambda **options: RECURRENT(3, fn.activations.tanh, **options),
    "lstm": lambda **options: LSTM(4, **options),
    "lstm with peepholes": lambda **options: fn.layers.lstm_peepholes(3, **options),
    "lstm of 1997": lambda **options: fn.layers.lstm_1997(2, **options),
    "gru": lambda **options: GRU(4, **options),
    "bidirectional": lambda **options: BIDIRECTIONAL(GRU(3, **{**options, "return_sequences": True})),
}
OPTIONS = (
    {},
    {"learn_initial_state": True, "return_sequences": False},
    {"checkpoint_every": 7},
    {"checkpoint_every": 2, "learn_initial_state": True, "return_sequences": False},
    {"truncate": 5, "learn_initial_state": True, "checkpoint_every": 4},
)


def some_padding(steps, n):
    """Padding that is anywhere, and leaves each sequence at least its step in the middle."""
    mask = np.random.default_rng(steps).random((steps, n)) < 0.7
    mask[steps // 2] = True
    return mask


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_at_every_length(cell):
    """Each cell meets each length, and each set of options; every second case is padded."""
    with jax.enable_x64(True):
        for position, steps in enumerate(LENGTHS):
            options = OPTIONS[(position + list(CELLS).index(cell)) % len(OPTIONS)]
            mask = some_padding(steps, 3) if position % 2 == 0 else None
            layer = CELLS[cell](**options)
            _, explicit, automatic = derivations(layer, *drawn(layer, steps, padded=mask))
            assert_equal_leaves(explicit, automatic, "float64", condition=10)  # 1e-11
    jax.clear_caches()


@pytest.mark.parametrize(
    ("cell", "options"),
    [("recurrent", {}), ("lstm", {"learn_initial_state": True, "truncate": 4, "return_sequences": False}), ("gru", {})],
)
def test_segments_do_not_change_the_gradient(cell, options, monkeypatch):
    """Two segments of three steps and a rest of two, against all steps at once."""
    with jax.enable_x64(True):
        whole, lengths = CELLS[cell](**options), []
        cut = whole._replace(name="cut")  # a layer of its own, which is traced for itself
        arguments = drawn(whole, 8, padded=padding(8, 3))
        reference = derivations(whole, *arguments)[1]
        monkeypatch.setattr(scan, "segment_length", lambda cell, chosen, x: lengths.append(3) or 3)
        assert_equal_leaves(derivations(cut, *arguments)[1], reference, "float64")
        assert lengths


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="accelerators run one segment")
def test_a_segment_is_as_long_as_fits_the_cache():
    cell, plain = SimpleNamespace(width=16), scan.Options()
    short, long = (np.broadcast_to(np.float32(0), (steps, 8, 3)) for steps in (20, 1_000_000))
    assert scan.segment_length(cell, plain, short) == 20
    steps = scan.segment_length(cell, plain, long)
    assert 1 < steps * 8 * 16 * 4 <= 1.01 * paths.SEGMENT_BYTES
    assert scan.segment_length(cell, plain, long[:, :0]) == 1_000_000
    assert scan.segment_length(cell, plain._replace(checkpoint_every=7), long) == 7
    assert scan.segment_length(cell, plain._replace(checkpoint_every=99), short) == 20


@pytest.mark.parametrize(("k", "return_sequences"), [(1, True), (3, False), (7, True), (9, True)])
def test_checkpoints_do_not_change_the_gradient(k, return_sequences):
    with jax.enable_x64(True):
        plain = LSTM(3, return_sequences=return_sequences, learn_initial_state=True)
        kept = LSTM(3, return_sequences=return_sequences, learn_initial_state=True, checkpoint_every=k)
        arguments = drawn(plain, 7, padded=padding(7, 3))
        (y, reference, _), (kept_y, explicit, _) = derivations(plain, *arguments), derivations(kept, *arguments)
        np.testing.assert_array_equal(y, kept_y)
        assert_equal_leaves(explicit, reference, "float64")


@pytest.mark.parametrize(("k", "kept"), [(1, 10), (3, 4), (10, 1), (99, 1), (None, 10)])
def test_the_trace_holds_as_many_states_as_there_are_checkpoints(k, kept):
    layer = LSTM(3, checkpoint_every=k)
    params, x = layer.init(jax.random.key(0), (2,))[0], np.zeros((10, 4, 2), np.float32)
    trace = jax.eval_shape(lambda params, x: layer.forward(params, x, fn.Context())[1], params, x)
    assert [part.shape for part in trace.states] == [(kept, 4, 3)] * 2
    assert (trace.saved == ()) == (k is not None)


def test_checkpoints_save_memory():
    """A thousand steps; the compiler's own account of the memory that the gradient takes beside its arguments."""

    def temporary(k):
        net = fn.recurrent(
            [2, 16, 3],
            "lstm",
            objective=fn.objectives.softmax_log_likelihood,
            return_sequences=False,
            checkpoint_every=k,
        )
        params = jax.eval_shape(net.init, jax.random.key(0))
        batch = fn.Batch(np.zeros((1000, 8, 2), np.float32), np.zeros(8, np.int32))
        return jax.jit(net.gradient).lower(params, batch).compile().memory_analysis().temp_size_in_bytes

    assert temporary(32) < temporary(None) / 3


def by_stopped_steps(layer, k, params, x, d_y):
    """`jax.grad` of a Python loop over `layer.step` in which the state's gradient stops before each k-th step."""

    def product(params, x):
        state, outputs = layer.start(params, x.shape[1]), []
        for t, x_t in enumerate(x):
            state = jax.lax.stop_gradient(state) if t and t % k == 0 else state
            state, y = layer.step(params, state, x_t)
            outputs.append(y)
        return jnp.sum(jnp.stack(outputs) * d_y)

    return jax.jit(jax.grad(product, argnums=(0, 1)))(params, x)


@pytest.mark.parametrize("cell", ["recurrent", "lstm", "gru"])
def test_truncation_is_the_gradient_of_stopped_states(cell):
    with jax.enable_x64(True):
        cut, whole, long = (CELLS[cell](learn_initial_state=True, truncate=k) for k in (3, None, 7))
        params, x, d_y, _ = arguments = drawn(cut, 7)
        (y, truncated, _), (true_y, true, _) = derivations(cut, *arguments), derivations(whole, *arguments)
        np.testing.assert_array_equal(y, true_y)
        assert_equal_leaves(truncated, by_stopped_steps(whole, 3, params, x, d_y), "float64")
        with pytest.raises(AssertionError, match="relative error"):
            assert_equal_leaves(truncated, true, "float64", condition=1e9)
        assert_equal_leaves(derivations(long, *arguments)[1], true, "float64")


def test_truncation_is_said():
    assert LSTM(3).approximation == ""
    assert LSTM(3, truncate=4).approximation == "its backward pass is truncated to 4 steps"
    assert "truncated to 4" in BIDIRECTIONAL(LSTM(3, truncate=4)).approximation
    chained = fn.chain(GRU(3), fn.layers.dropout(0.5), RECURRENT(3, truncate=2)).approximation
    assert chained == "recurrent: its backward pass is truncated to 2 steps"


def test_central_differences_contradict_truncation():
    """The derivative of Σ y ⊙ d_y in one recurrent weight, by central differences in float64."""
    with jax.enable_x64(True):
        layer = RECURRENT(3, fn.activations.tanh, truncate=2)
        params, x, d_y, _ = drawn(layer, 7)
        truncated, true = (
            derivations(each, params, x, d_y)[1][0].recurrent_weights[0, 1]
            for each in (layer, RECURRENT(3, fn.activations.tanh))
        )

        @jax.jit
        def product(offset):
            moved = params._replace(recurrent_weights=params.recurrent_weights.at[0, 1].add(offset))
            return jnp.sum(layer.forward(moved, x, fn.Context())[0] * d_y)

        numeric = (product(1e-5) - product(-1e-5)) / 2e-5
        np.testing.assert_allclose(true, numeric, rtol=1e-7)
        assert abs(truncated - numeric) > 1e-3 * abs(numeric)


def ahead(states):
    return tuple(jnp.concatenate([part[1:], part[-1:]]) for part in states)


LAYER = RECURRENT(4, fn.activations.tanh._replace(slope=None), learn_initial_state=True)
FAULTS = {
    "a[t] for a[t-1] in dω": lambda params, trace, d_y: LAYER.backward(
        params, trace._replace(start=(trace.states[0][0],), states=ahead(trace.states)), d_y
    ),
    "δ is not carried back": lambda params, trace, d_y: RECURRENT(
        4, fn.activations.tanh, learn_initial_state=True, truncate=1
    ).backward(params, trace, d_y),
    "the last δ is dropped": lambda params, trace, d_y: LAYER.backward(params, trace, d_y.at[-1].set(0)),
    "the first δ is dropped": lambda params, trace, d_y: LAYER.backward(params, trace, d_y.at[0].set(0)),
    "the mask is ignored": lambda params, trace, d_y: LAYER.backward(params, trace._replace(mask=None), d_y),
    "padding is taken to come last": lambda params, trace, d_y: LAYER.backward(
        params, trace._replace(mask=-jnp.sort(-trace.mask.astype(int), axis=0) > 0), d_y
    ),
    "σ' of a shifted step": lambda params, trace, d_y: LAYER.backward(
        params, trace._replace(saved=jnp.roll(trace.saved, 1, axis=0)), d_y
    ),
    "s[0] counts as a constant": lambda params, trace, d_y: LAYER.backward(
        params, trace._replace(is_carried=jnp.zeros((trace.x.shape[1], 0))), d_y
    ),
}


def test_every_fault_is_seen():
    with jax.enable_x64(True):
        params, x, d_y, mask = drawn(LAYER, 6, n=4, padded=padding(6, 4))
        automatic = derivations(LAYER, params, x, d_y, mask)[2]

        @jax.jit
        def planted(params, x, d_y, mask):
            trace = LAYER.forward(params, x, fn.Context(mask=mask))[1]
            sound = LAYER.backward(params, trace, d_y)
            return sound, {name: fault(params, trace, d_y) for name, fault in FAULTS.items()}

        sound, faulty = planted(params, x, d_y, mask)
        assert_equal_leaves(sound, automatic, "float64")
        for wrong in faulty.values():
            with pytest.raises(AssertionError, match="relative error"):
                assert_equal_leaves(wrong, automatic, "float64", condition=1e8)


def products(jaxpr, depth=0):
    """How many contractions stand inside how many scans, as the depth of each."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield depth
        inner = depth + (equation.primitive.name == "scan")
        for value in itertools.chain.from_iterable(
            each if isinstance(each, tuple | list) else [each] for each in equation.params.values()
        ):
            if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                yield from products(getattr(value, "jaxpr", value), inner)


def depths(function, *arguments):
    return sorted(products(jax.make_jaxpr(function)(*arguments).jaxpr))


@pytest.mark.parametrize("make", [RECURRENT, GRU])
def test_contractions_over_time_stand_outside_the_scan(make):
    layer = make(4)
    params, x, d_y, _ = drawn(layer, 7, features=9)
    assert depths(lambda params, x: layer.forward(params, x, fn.Context())[0], params, x) == [0, 1]  # x Wᵀ; a ωᵀ
    trace = layer.forward(params, x, fn.Context())[1]
    assert depths(layer.backward, params, trace, d_y) == [0, 0, 0, 1]  # dW, dω, dx; δ ω


def test_contractions_of_an_lstm_and_of_segments():
    layer, kept = LSTM(4), LSTM(4, checkpoint_every=3)
    params, x, d_y, _ = drawn(layer, 6, features=9)
    trace = layer.forward(params, x, fn.Context())[1]
    assert depths(layer.backward, params, trace, d_y) == [0, 0, 0, 1]
    trace = kept.forward(params, x, fn.Context())[1]
    assert depths(kept.backward, params, trace, d_y) == [1, 1, 1, 2, 2]  # a segment's; the steps', forward and back
