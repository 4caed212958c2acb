"""What tells two runs apart, and what must not."""

import functools
import json
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from fnnets.training.checkpoint.fingerprint import caveat, differences, of
from fnnets.training.epoch import start

SOFTMAX = fn.objectives.softmax_log_likelihood
EXAMPLES = fn.Batch(np.arange(10.0, dtype=np.float32).reshape(5, 2), np.array([0, 1, 0, 1, 1]))
KEY = jax.random.key(0)


def net(**options):
    return fn.feedforward([2, 3, 2], objective=SOFTMAX, **options)


def made(network=None, optimizer=None, train=EXAMPLES, run=None, params=None):
    network, optimizer = network or net(), optimizer or fn.training.momentum(0.1, 0.9)
    return of(network, optimizer, train, start(network, optimizer, key=KEY, params=params), run or {"batch_size": 10})


def says(saved, now):
    text = differences(saved, now)
    assert text is None or "\n" not in text
    return text


def test_the_same_run_has_no_differences():
    assert says(made(), made(train=EXAMPLES._replace(inputs=jnp.asarray(EXAMPLES.inputs)))) is None
    assert json.loads(json.dumps(made())) == made()


def test_other_sizes_are_said_with_the_first_path():
    other = made(fn.feedforward([2, 4, 2], objective=SOFTMAX))
    assert says(made(), other).startswith(
        "network: params[0].weights of shape (3, 2), float32 there and params[0].weights of shape (4, 2), float32 here"
    )


def test_another_depth():
    deeper = made(fn.feedforward([2, 3, 2, 2], objective=SOFTMAX))
    assert says(made(), deeper).startswith("network: params[2].weights of shape (2, 2), float32 here alone; take the")


@pytest.mark.parametrize(
    "options",
    [
        {"l2": 0.1},
        {"l2": 0.2},
        {"activation": fn.activations.relu},
        {"activation": fn.activations.tanh},
        {"dropout": 0.5},
        {"dropout": 0.4},
    ],
    ids=["a penalty", "a larger one", "relu", "tanh", "dropout", "less dropout"],
)
def test_networks_of_the_same_shapes(options):
    for other in ({}, {"l2": 0.3}, {"dropout": 0.3}):
        text = says(made(net(**other)), made(net(**options)))
        assert text.startswith("network: ")
    assert says(made(net(**options)), made(net(**options))) is None


def test_constants_of_a_network_count():
    def scaled(by):
        table = jnp.array([1.0, by])
        plain = net()

        def cost(params, batch, *, key=None):
            return plain.cost(params, batch, key=key) * table.sum()

        return plain._replace(cost=cost)

    assert says(made(scaled(2.0)), made(scaled(2.0))) is None
    assert says(made(scaled(2.0)), made(scaled(3.0))).startswith("network: ")


def test_samplers_of_an_rbm_count():
    rules = [fn.boltzmann.contrastive_divergence(1), fn.boltzmann.contrastive_divergence(2)]
    first, second = (made(fn.rbm(2, 3, sampler=rule), train=fn.Batch(EXAMPLES.inputs)) for rule in rules)
    assert says(first, second).startswith("network: activations, objective")


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (fn.training.momentum(0.1, 0.9), fn.training.momentum(0.2, 0.9), "its rule or a rate differs"),
        (
            optax.sgd(optax.linear_schedule(0.1, 0.0, 5)),
            optax.sgd(optax.linear_schedule(0.1, 0.0, 6)),
            "a rate differs",
        ),
        (optax.sgd(0.1), optax.adam(0.1), "state[0].count of shape (), int32 here alone"),
        (
            optax.inject_hyperparams(optax.sgd)(learning_rate=0.1),
            optax.inject_hyperparams(optax.sgd)(learning_rate=0.2),
            "a rate differs",
        ),
    ],
    ids=["rate", "schedule", "rule", "injected"],
)
def test_optimizers(one, other, text, standard_promotion):
    assert text in says(made(optimizer=one), made(optimizer=other))
    assert says(made(optimizer=one), made(optimizer=one)) is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"inputs": EXAMPLES.inputs[:4]}, "inputs has the shape [5, 2] there and [4, 2] here"),
        ({"inputs": EXAMPLES.inputs.astype(np.float16)}, "inputs has the dtype float32 there and float16 here"),
        ({"inputs": EXAMPLES.inputs + 1e-3}, "the contents of inputs differ"),
        ({"targets": EXAMPLES.targets[::-1]}, "the contents of targets differ"),
        ({"targets": None}, "targets is {"),
        ({"dataset_size": 7}, "dataset_size is None there and 7.0 here"),
    ],
    ids=["shape", "dtype", "values", "order", "none", "size"],
)
def test_data(change, text):
    said = says(made(), made(train=EXAMPLES._replace(**change)))
    assert said.startswith("data: " + text)
    assert said.endswith("take the data of that run, or give this run another directory")


def test_settings_of_the_run():
    assert (
        says(made(run={"key": [0, 1], "gradient": "explicit"}), made(run={"key": (0, 1), "gradient": "explicit"}))
        is None
    )
    text = says(made(run={"key": [0, 1]}), made(run={"key": [0, 2]}))
    assert text == "run: key is [0, 1] there and [0, 2] here; set it as it was, or give this run another directory"
    with pytest.raises(TypeError):
        made(run={"key": object()})


def test_a_file_counts_by_its_ends(tmp_path):
    """Two rows of a MiB in the middle are not read; the first and the last are."""
    path = tmp_path / "rows.bin"
    rows = np.memmap(path, np.uint8, "w+", shape=(4, 2**20))

    def now():
        return made(train=fn.Batch(np.memmap(path, np.uint8, "r", shape=(4, 2**20))[:], EXAMPLES.targets[:4]))

    before = now()
    rows[1] = 1
    assert says(before, now()) is None
    for row in (0, 3):
        rows[row, -1] += 1
        assert "the contents of inputs differ" in says(before, now())
        before = now()
    held = made(train=fn.Batch(np.array(rows), EXAMPLES.targets[:4]))
    rows[1] = 2
    assert "the contents of inputs differ" in says(held, made(train=fn.Batch(np.array(rows), EXAMPLES.targets[:4])))


def test_streams():
    assert made(train=[EXAMPLES])["data"] == {"kind": "iterable", "type": "builtins.list", "length": 1}
    assert "length is 1 there and 2 here" in says(made(train=[EXAMPLES]), made(train=[EXAMPLES] * 2))
    assert "kind is 'arrays' there and 'iterable' here" in says(made(), made(train=[EXAMPLES]))
    stream = fn.data.stream(EXAMPLES.inputs, EXAMPLES.targets, block=1)
    other = stream._replace(block=2)
    assert says(made(train=stream), made(train=stream)) is None
    assert "block is 1 there and 2 here" in says(made(train=stream), made(train=other))


def test_another_release_leaves_the_shapes_to_compare():
    now = made()
    old = {**made(net(l2=0.5)), "jax": "0.7.0"}
    assert says(old, now) is None
    assert re.fullmatch(r"saved under jax 0\.7\.0 on cpu, now jax .* on cpu: only the shapes .*", caveat(old, now))
    assert caveat(now, now) is None
    assert says({**made(fn.feedforward([2, 4, 2], objective=SOFTMAX)), "jax": "0.7.0"}, now).startswith(
        "network: params"
    )


def families():
    return {
        "feedforward": net(l2=0.1, dropout=0.5),
        "convolutional": fn.convolutional((6, 6, 1), "conv3-2 maxpool2 fc-2", objective=SOFTMAX),
        "lstm": fn.recurrent([2, 3, 2], "lstm", objective=SOFTMAX, checkpoint_every=2),
        "gru": fn.recurrent([2, 3, 2], "gru", objective=SOFTMAX, return_sequences=False, bidirectional=True),
        "persistent": fn.rbm(2, 3, sampler=fn.boltzmann.persistent_contrastive_divergence(chains=4), centred=0.01),
        "tempered": fn.rbm(2, 3, sampler=fn.boltzmann.parallel_tempering(chains=4), sparsity=0.1),
        "autoencoder": fn.autoencoder([4, 2], tied=True, corruption=0.2),
    }


def programs(names):
    found, optimizer = {}, fn.training.momentum(0.1)
    for name in names:
        state = jax.eval_shape(functools.partial(start, families()[name], optimizer), key=KEY)  # compiles nothing
        found[name] = of(families()[name], optimizer, [], state, {})["network"]["program"]
    return found


def test_another_process_finds_the_same_hashes():
    """In another order, too: what was traced before must not show."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONHASHSEED": "7", "XLA_FLAGS": ""}
    script = (
        f"import sys, json, importlib.util as u; s = u.spec_from_file_location('m', {__file__!r}); "
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(json.dumps(m.programs(reversed(m.families()))))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert json.loads(ran.stdout) == programs(families()), ran.stderr
    assert len(set(programs(families()).values())) == len(families())
