"""fit on what streams: the minibatches of data in memory, going on within an epoch, iterables, and what goes wrong."""

import itertools
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from fnnets.training.epoch import start
from fnnets.training.shuffle import orders
from fnnets.training.streaming import chunks, loader, streaming_epoch

KEY = jax.random.key(3)
SOFTMAX = fn.objectives.softmax_log_likelihood
DESCENT = fn.training.momentum(0.2, 0.5)
NET = fn.feedforward([4, 5, 3], objective=SOFTMAX, l2=0.5, dropout=0.2)
PLAIN = fn.feedforward([4, 5, 3], objective=SOFTMAX)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Two minibatches of ten a chunk, so that small data has several."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2 * 10 * (4 * 4 + 4))


def examples(n=67):
    x = np.asarray(jax.random.normal(KEY, (n, 4)))
    return x, (np.arange(n) % 3).astype(np.int32)


def fit(train, net=NET, **settings):
    settings = {"epochs": 2, "progress": False} | settings
    settings = settings if "state" in settings else {"key": KEY} | settings
    return fn.fit(net, DESCENT, train, **settings)


def assert_same(first, second, tolerance=0.0):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), first, second)


def test_a_pool_of_everything_is_training_in_memory():
    """Keys, orders, dropout and the penalty's n are the same, so the numbers are, to the rounding of compilation."""
    x, y = examples()
    validation = fn.Batch(*examples(20))
    memory = fit(fn.Batch(x, y), validation=validation)
    stream = fit(fn.data.stream(x, y), validation=validation, evaluate_training=True)
    assert_same(stream.params, memory.params, 1e-6)
    assert_same(stream.history, memory.history, 1e-6)
    assert_same(stream.state.best, memory.state.best, 1e-6)
    assert int(stream.state.position) == 0


def test_sequences_stream_too():
    net = fn.recurrent([4, 5, 3], objective=SOFTMAX)
    x = np.asarray(jax.random.normal(KEY, (6, 25, 4)))
    mask = np.arange(6)[:, None] < 1 + np.arange(25) % 6
    y = (np.arange(150).reshape(6, 25) % 3).astype(np.int32)
    memory = fit(fn.Batch(x, y, mask), net)
    assert_same(fit(fn.data.stream(x, y, mask), net).params, memory.params, 1e-6)


def test_rbms_stream_too_with_their_chains():
    net = fn.rbm(4, 3, sampler=fn.boltzmann.persistent_contrastive_divergence(chains=5))
    v = (examples()[0] > 0).astype(np.float32)
    memory, stream = fit(fn.Batch(v), net), fit(fn.data.stream(v), net)
    assert_same(stream.params, memory.params, 1e-6)
    assert_same(stream.state.memory, memory.state.memory)


def test_float64_arrives_in_float64():
    """Reading is in another thread, which does not know the precision of a scope."""
    x, y = examples()
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(float), NET.init(KEY))
        x = x.astype(float) + 1e-9
        for train in (fn.data.stream(x, y), [fn.Batch(x, y, dataset_size=67)]):
            read = loader.of(NET, train, 10, None)(KEY, 0, 0)
            assert next(read).batch.inputs.dtype == float
            read.close()
        memory, stream = fit(fn.Batch(x, y), params=params), fit(fn.data.stream(x, y), params=params)
        assert_same(stream.params, memory.params, 1e-14)


def test_bytes_are_transformed_on_the_device():
    x, y = np.arange(80, dtype=np.uint8).reshape(20, 4), examples(20)[1]
    scaled = fit(fn.Batch((x / np.float32(255)), y))
    source = fn.data.stream(x, y, transform=lambda batch: batch._replace(inputs=batch.inputs.astype(jnp.float32) / 255))
    assert_same(fit(source).params, scaled.params, 1e-5)


@pytest.mark.parametrize(("n", "block", "pool"), [(103, 5, 4), (60, 4, 3), (7, 1, 2), (9, 100, 1)])
def test_an_order_by_blocks_has_every_example_once_and_keeps_pools_together(n, block, pool):
    pools = list(orders(KEY, n, block, pool))
    assert sorted(np.concatenate(pools).tolist()) == list(range(n))
    assert all(len({row // block for row in rows.tolist()}) <= pool for rows in pools)
    assert not all((np.diff(rows) > 0).all() for rows in pools)
    other = np.concatenate(list(orders(jax.random.key(4), n, block, pool)))
    assert not np.array_equal(np.concatenate(pools), other)
    for begin in (1, n // 2, n - 1):
        np.testing.assert_array_equal(
            np.concatenate(list(orders(KEY, n, block, pool, begin))), np.concatenate(pools)[begin:]
        )


def test_an_epoch_by_blocks_is_the_loop_one_would_write():
    x, y = examples()
    result = fit(fn.data.stream(x, y, block=8, pool=3), PLAIN, epochs=1)
    state = start(PLAIN, DESCENT, key=KEY)
    order = np.concatenate(list(orders(jax.random.split(jax.random.fold_in(state.key, 0))[0], 67, 8, 3)))
    params, kept = state.params, state.optimizer_state
    for i in range(0, 67, 10):
        batch = fn.Batch(x[order[i : i + 10]], y[order[i : i + 10]])
        updates, kept = DESCENT.update(PLAIN.gradient(params, batch), kept, params)
        params = jax.tree.map(lambda w, u: w + u, params, updates)
    assert_same(result.params, params, 1e-5)


def stopping(monkeypatch, after):
    """Have Ctrl-C come after so many chunks."""
    made = streaming_epoch.train_chunks

    def train_chunks(compiled, load, transform, examine):
        seen = []

        def chunk(*arguments):
            seen.append(1)
            if len(seen) == after:
                os.kill(os.getpid(), signal.SIGINT)
            return compiled.chunk(*arguments)

        return made(compiled._replace(chunk=chunk), load, transform, examine)

    monkeypatch.setattr(streaming_epoch, "train_chunks", train_chunks)


@pytest.mark.parametrize("kind", ["source", "list", "function"])
def test_a_run_stopped_within_an_epoch_goes_on_bit_for_bit(monkeypatch, kind):
    x, y = examples()
    batches = [fn.Batch(x[i : i + 10], y[i : i + 10], dataset_size=67) for i in range(0, 67, 10)]
    kinds = {
        "source": fn.data.stream(x, y, block=8, pool=3),
        "list": batches,
        "function": lambda epoch: batches[epoch:] + batches[:epoch],
    }
    train = kinds[kind]
    whole = fit(train, epochs=3)
    with monkeypatch.context() as patched:
        stopping(patched, after=6)  # an epoch has four chunks
        first = fit(train, epochs=3)
    assert first.stopped == "interrupted after 4 minibatches of epoch 2"
    assert (int(first.state.epoch), int(first.state.position)) == (1, 4)
    second = fit(train, state=first.state, epochs=2)
    assert_same(second.params, whole.params)
    assert_same(second.state.optimizer_state, whole.state.optimizer_state)


def test_batches_come_as_tuples_dicts_and_from_generators():
    x, y = examples(40)
    parts = [slice(i, i + 10) for i in range(0, 40, 10)]
    wanted = fit([fn.Batch(x[part], y[part]) for part in parts], PLAIN, epochs=1).params
    assert_same(fit([(x[part], y[part]) for part in parts], PLAIN, epochs=1).params, wanted)
    assert_same(fit([{"inputs": x[part], "targets": y[part]} for part in parts], PLAIN, epochs=1).params, wanted)
    assert_same(fit(((x[part], y[part]) for part in parts), PLAIN, epochs=1).params, wanted)


def test_batches_of_changing_sizes_are_used_as_they_come():
    x, y = examples(40)
    cuts = [0, 3, 10, 17, 18, 40]
    result = fit([(x[a:b], y[a:b]) for a, b in itertools.pairwise(cuts)], PLAIN, epochs=1)
    params = PLAIN.init(jax.random.split(KEY)[0])
    kept = DESCENT.init(params)
    for a, b in itertools.pairwise(cuts):
        updates, kept = DESCENT.update(PLAIN.gradient(params, fn.Batch(x[a:b], y[a:b])), kept, params)
        params = jax.tree.map(lambda w, u: w + u, params, updates)
    assert_same(result.params, params, 1e-5)


def test_each_batch_has_the_penalty_of_its_own_n():
    x, y = examples(40)
    batches = [
        fn.Batch(x[i : i + 10], y[i : i + 10], dataset_size=n) for i, n in ((0, 40), (10, 40), (20, 4), (30, 40))
    ]
    net = fn.feedforward([4, 5, 3], objective=SOFTMAX, l2=0.5)
    params = net.init(jax.random.split(KEY)[0])
    kept = DESCENT.init(params)
    for batch in batches:
        updates, kept = DESCENT.update(net.gradient(params, batch), kept, params)
        params = jax.tree.map(lambda w, u: w + u, params, updates)
    assert_same(fit(batches, net, epochs=1).params, params, 1e-5)


def test_a_loader_of_grain_works_as_it_is():
    grain = pytest.importorskip("grain.python")
    x, y = examples(40)

    class Rows:
        def __len__(self):
            return 40

        def __getitem__(self, row):
            return {"inputs": x[row], "targets": y[row]}

    loader = grain.MapDataset.source(Rows()).shuffle(seed=1).batch(10).to_iter_dataset()
    result = fit(loader, PLAIN, epochs=2)
    assert_same(result.params, fit(list(loader), PLAIN, epochs=2).params)


def test_metrics_of_a_stream_are_those_of_arrays():
    x, y = examples(2345)
    params = NET.init(KEY)
    found = streaming_epoch.evaluate(NET, params, fn.data.stream(x, y), True, None)
    assert_same(found, fn.evaluate(NET, params, fn.Batch(x, y)), 1e-6)


class Failing:
    """Rows that cannot be read any more after a while."""

    def __init__(self, x, y, after):
        self.x, self.y, self.after = x, y, after

    def __iter__(self):
        for i in range(0, len(self.x), 10):
            if i // 10 == self.after:
                raise OSError(5, "Input/output error")
            yield self.x[i : i + 10], self.y[i : i + 10]


def test_what_cannot_be_read_on_says_where(tmp_path):
    x, y = examples()
    with pytest.raises(fn.data.DataError, match=r"failed in epoch 1, after 4 of its minibatches: .*Input/output error"):
        fit(Failing(x, y, 5), PLAIN)
    path = tmp_path / "rows.npy"
    np.save(path, x)
    source = fn.data.stream(path, y)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(fn.data.DataError, match=r"rows\.npy holds 500 bytes"):
        fit(source)


def test_what_is_read_up_says_so():
    x, y = examples(20)

    left = [(x[i : i + 10], y[i : i + 10]) for i in (0, 10)]

    class Once:
        def __iter__(self):
            while left:
                yield left.pop()

    with pytest.raises(fn.data.DataError, match="no batches in epoch 2, expected some in each; what can be read only"):
        fit(Once(), PLAIN)


def test_a_generator_serves_one_epoch_and_is_refused_for_more_before_the_first():
    x, y = examples(20)

    def batches():
        return ((x[i : i + 10], y[i : i + 10]) for i in (0, 10))

    assert fit(batches(), PLAIN, epochs=1).stopped == "finished 1 epochs"
    left = batches()
    with pytest.raises(TypeError, match=r"type generator, which can be read once.*give list\(train\)"):
        fit(left, PLAIN)
    assert_same(fit(list(left), PLAIN).params, fit(lambda epoch: batches(), PLAIN).params)


def test_a_stream_that_diverges_keeps_the_last_good_chunk():
    """The third chunk holds inputs whose gradient overflows; the fourth would have been fine."""
    x, y = examples(80)
    answers = np.eye(3, dtype=np.float32)[y]
    batches = [fn.Batch(x[i : i + 10] * (1e30 if i == 40 else 1), answers[i : i + 10]) for i in range(0, 80, 10)]
    wild = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
    with pytest.warns(RuntimeWarning, match="the parameters are those of 4 minibatches of epoch 1"):
        result = fit(batches, wild, epochs=2)
    assert result.stopped.startswith("the cost or a parameter became NaN")
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))
    assert int(result.state.position) == 4


def test_a_state_within_an_epoch_is_not_for_arrays(monkeypatch):
    x, y = examples()
    with monkeypatch.context() as patched:
        stopping(patched, after=1)
        first = fit(fn.data.stream(x, y))
    with pytest.raises(ValueError, match="state stands after 2 minibatches of an epoch, expected 0 for arrays"):
        fit(fn.Batch(x, y), state=first.state)


X, Y = examples(20)
BATCHES = [(X[:10], Y[:10]), (X[10:], Y[10:])]


@pytest.mark.parametrize(
    ("train", "settings", "error", "message"),
    [
        (5, {}, TypeError, "train is of type int, expected a fnnets.Batch, a source"),
        (BATCHES, {"batch_size": 10}, ValueError, "batch_size is 10, but train gives batches of its own"),
        (BATCHES, {"evaluate_training": True}, ValueError, "evaluate_training is True, but train is an iterable"),
        (BATCHES, {"net": NET}, fn.data.DataError, "dataset_size is None, but the penalty"),
        ([3], {}, fn.data.DataError, r"in epoch 1, train\[0\] is of type int, expected a fnnets.Batch"),
        ([(X[:, :3], Y)], {}, fn.data.DataError, r"in epoch 1, train\[0\].inputs has examples of shape \(3,\)"),
        (fn.data.stream(X, Y), {"batch_size": 21}, ValueError, "batch_size is 21, expected at most the 20"),
        (fn.data.Source(X, Y[:19]), {}, ValueError, "train.targets has shape \\(19,\\), expected 20 examples"),
        (fn.data.stream(X[:, :3], Y), {}, ValueError, "fit: train.inputs has examples of shape \\(3,\\)"),
        (fn.data.stream(X, Y + 1), {}, ValueError, "labels from 1 to 3"),
        (fn.data.stream(X), {}, ValueError, "fit: train.targets is None"),
    ],
)
def test_bad_streams_are_refused(train, settings, error, message):
    with pytest.raises(error, match=message):
        fit(train, **{"net": PLAIN, **settings})


@pytest.mark.parametrize(
    ("targets", "inputs", "message"),
    [
        ({3000: 9}, {}, r"row 3000 that the network does not take.*labels from 9 to 9, expected 0 to 1"),
        ({3001: -1}, {}, r"row 3001 that.*labels from -1 to -1"),
        ({3002: 2**32 + 1}, {}, r"row 3002 that.*labels from 4294967297 to 4294967297"),
        ({}, {3003: np.nan}, r"row 3003 that.*NaN or infinite"),
        ({}, {3004: np.inf}, r"row 3004 that.*NaN or infinite"),
        ({}, {3005: 1e300}, r"row 3005 that.*float32 holds"),
    ],
)
@pytest.mark.parametrize("transform", [None, lambda batch: batch._replace(inputs=2 * batch.inputs)])
def test_a_row_that_goes_wrong_late_in_a_stream_is_named(targets, inputs, message, transform):
    """The first thousand rows are looked at beforehand, the others as they are trained on."""
    x, y = np.linspace(-1, 1, 4 * 4000).reshape(4000, 4), np.arange(4000) % 2
    for row, value in targets.items():
        y[row] = value
    for row, value in inputs.items():
        x[row, 2] = value
    net = fn.feedforward([4, 2], objective=fn.objectives.softmax_log_likelihood)
    source = fn.data.stream(x, y, block=100, pool=4, transform=transform)
    with np.errstate(over="ignore"), pytest.raises(fn.storage.DataError, match=message):
        fn.fit(net, optax.sgd(0.1), source, key=jax.random.key(0), epochs=3, batch_size=100, progress=False)


def test_targets_outside_their_domain_late_in_a_stream_are_named():
    x, y = np.linspace(0, 1, 2 * 3000, dtype=np.float32).reshape(3000, 2), np.full((3000, 2), 0.5, np.float32)
    y[2500] = -1
    for objective in (fn.objectives.sigmoid_cross_entropy, fn.objectives.softmax_log_likelihood):
        net = fn.feedforward([2, 2], objective=objective)
        with pytest.raises(fn.storage.DataError, match=r"row 2500 that.*values from -1 to -1, expected 0 to 1"):
            fn.fit(net, optax.sgd(0.1), fn.data.stream(x, y), key=jax.random.key(0), epochs=1, progress=False)


def test_time_stamps_of_64_bits_are_not_wrapped():
    """The linear network of weight 1 predicts its input, 2³² + 3, which would be 3 as an int32."""
    net = fn.feedforward([1, 1], objective=fn.objectives.linear_squared_error)
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, leaf.ndim == 2), net.init(jax.random.key(0)))
    stamps = np.full((20, 1), 2**32 + 3)
    source = fn.data.stream(stamps, np.zeros((20, 1), np.float32))
    result = fn.fit(
        net,
        optax.sgd(0.0),
        source,
        key=jax.random.key(0),
        epochs=1,
        params=params,
        progress=False,
        evaluate_training=True,
    )
    np.testing.assert_allclose(result.history.cost, [0.5 * (2.0**32 + 3) ** 2], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_columns_of_integers_in_a_stream_are_compared_as_columns(dtype):
    """Every prediction is a > ½, and three of four answers are 1; as labels only the zeros would be right."""
    net = fn.feedforward([1, 1], objective=fn.objectives.sigmoid_cross_entropy)
    params = jax.tree.map(jnp.ones_like, net.init(jax.random.key(0)))
    source = fn.data.stream(np.ones((20, 1), np.float32), np.repeat([[0], [1]], [5, 15], axis=0).astype(dtype))
    result = fn.fit(
        net, optax.sgd(0.0), source, key=KEY, epochs=1, params=params, progress=False, evaluate_training=True
    )
    np.testing.assert_allclose(result.history.accuracy, [0.75])
