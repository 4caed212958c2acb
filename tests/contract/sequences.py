"""Rows of the contract for layers and networks of sequences."""

import jax.numpy as jnp
import numpy as np

import fnnets as fn
from tests.contract.rows import LayerRow, NetworkRow, padding


def row(layer, steps=5, padded=False, shape=(3,), **others):
    return LayerRow(layer, shape, steps=steps, padded=padded, **others)


RECURRENT, LSTM, GRU = fn.layers.recurrent, fn.layers.lstm, fn.layers.gru
NOT_A_STEP = {"bad_shape": (5, 3), "message": "without the axes of time and batch"}

LAYERS_OF_SEQUENCES = {
    "recurrent": row(RECURRENT(4), **NOT_A_STEP),
    "recurrent, tanh, learnt state, padded": row(
        RECURRENT(4, fn.activations.tanh, learn_initial_state=True), padded=True
    ),
    "recurrent, checkpoints that do not divide T": row(RECURRENT(4, checkpoint_every=3)),
    "recurrent, truncated": row(RECURRENT(4, fn.activations.tanh, truncate=2)),
    "recurrent, one answer, learnt state, one step": row(
        RECURRENT(4, return_sequences=False, learn_initial_state=True), steps=1
    ),
    "lstm": row(LSTM(4), **NOT_A_STEP),
    "lstm, peepholes": row(fn.layers.lstm_peepholes(4), padded=True),
    "lstm of 1997": row(fn.layers.lstm_1997(3), padded=True),
    "lstm, learnt state, checkpoints, padded": row(
        LSTM(4, learn_initial_state=True, checkpoint_every=2), padded=True
    ),
    "gru": row(GRU(4), **NOT_A_STEP),
    "gru, learnt state, checkpoints, one answer, padded": row(
        GRU(4, learn_initial_state=True, checkpoint_every=2, return_sequences=False), padded=True
    ),
    "bidirectional lstm, padded": row(fn.layers.bidirectional(LSTM(3)), padded=True),
    "last step": row(fn.layers.last_step(), padded=True),
    "last step, both ends": row(
        fn.layers.last_step(both_ends=True), padded=True, shape=(4,), bad_shape=(3,), message="even number of features"
    ),
    "unfold": row(fn.layers.unfold(4, fn.activations.tanh, steps=4), steps=4, **NOT_A_STEP),
    "stack": row(
        fn.chain(LSTM(4), fn.layers.dense(3, fn.activations.tanh), LSTM(3, return_sequences=False), fn.layers.dense(2)),
        padded=True,
    ),
}  # fmt: skip

PLAIN = {  # the pages of the layers of these rows; the kernel alone has checkpoints
    "recurrent": RECURRENT(4, implementation="plain"),
    "recurrent, tanh, learnt state, padded": RECURRENT(
        4, fn.activations.tanh, learn_initial_state=True, implementation="plain"
    ),
    "recurrent, truncated": RECURRENT(4, fn.activations.tanh, truncate=2, implementation="plain"),
    "recurrent, one answer, learnt state, one step": RECURRENT(
        4, return_sequences=False, learn_initial_state=True, implementation="plain"
    ),
    "lstm": LSTM(4, implementation="plain"),
    "lstm, peepholes": fn.layers.lstm_peepholes(4, implementation="plain"),
    "lstm of 1997": fn.layers.lstm_1997(3, implementation="plain"),
    "lstm, learnt state, checkpoints, padded": LSTM(4, learn_initial_state=True, implementation="plain"),
    "gru": GRU(4, implementation="plain"),
    "gru, learnt state, checkpoints, one answer, padded": GRU(
        4, learn_initial_state=True, return_sequences=False, implementation="plain"
    ),
}
LAYERS_OF_SEQUENCES |= {
    f"{name}, plain": LAYERS_OF_SEQUENCES[name]._replace(layer=layer) for name, layer in PLAIN.items()
}


def sequences(steps, features, outputs, return_sequences, labels=False, padded=False):
    """A function `(seed, N) -> batch` of sequences out of 50, each with targets at every step or one answer."""

    def batch(seed, size):
        random, dtype = np.random.default_rng(seed), jnp.result_type(float)
        inputs = np.asarray(0.1 + random.normal(size=(steps, size, features)), dtype)
        lead = (steps, size) if return_sequences else (size,)
        targets = (
            random.integers(0, outputs, lead).astype(np.int32)
            if labels
            else np.asarray(random.random((*lead, outputs)), dtype)
        )
        return fn.Batch(inputs, targets, padding(steps, size) if padded else None, 50)

    return batch


BAD_SEQUENCES = {
    "time-major": lambda batch: batch._replace(inputs=batch.inputs[0]),
    r"inputs\[:, None\]": lambda batch: batch._replace(inputs=batch.inputs[:, 0]),
    "steps of shape": lambda batch: batch._replace(inputs=batch.inputs[..., 1:]),
    "expected at least one; leave those out": lambda batch: batch._replace(inputs=batch.inputs[:0]),
    "holds no sequences": lambda batch: batch._replace(inputs=batch.inputs[:, :0]),
    "one for each": lambda batch: batch._replace(targets=batch.targets[1:]),
    "(is|are|look) batch-major": lambda batch: batch._replace(inputs=jnp.swapaxes(batch.inputs, 0, 1), mask=None),
    "use mask.T": lambda batch: batch._replace(mask=np.ones(batch.inputs.shape[:2], bool).T),
    "as padding": lambda batch: batch._replace(mask=np.zeros(batch.inputs.shape[:2], bool)),
    "NaN": lambda batch: batch._replace(inputs=batch.inputs * np.nan),
}


def network(sizes, steps=6, labels=False, padded=False, with_key=False, **settings):
    """The row of a recurrent network and of the sequences that it takes."""
    objective = fn.objectives.softmax_log_likelihood if labels else fn.objectives.sigmoid_cross_entropy
    net = fn.recurrent(sizes, objective=objective, **settings)
    batch = sequences(steps, sizes[0], sizes[-1], settings.get("return_sequences", True), labels, padded)
    return NetworkRow(net, batch, with_key, BAD_SEQUENCES, settings.get("cell", "simple") != "simple")


NETWORKS_OF_SEQUENCES = {
    "recurrent": network([3, 4, 2], l2=0.2),
    "recurrent, plain": network([3, 4, 2], l2=0.2, implementation="plain"),
    "recurrent, tanh, last step, padded": network(
        [3, 4, 3], labels=True, padded=True, activation=fn.activations.tanh, return_sequences=False
    ),
    "lstm, last step, padded, plain": network(
        [3, 4, 3], labels=True, padded=True, cell="lstm", return_sequences=False, implementation="plain"
    ),
    "lstm, dropout, padded": network([3, 4, 3], labels=True, padded=True, with_key=True, cell="lstm", dropout=0.4),
    "lstm, bidirectional, last step, padded": network(
        [3, 3, 2], padded=True, cell="lstm", bidirectional=True, return_sequences=False, l2=0.1
    ),
    "gru, learnt state, checkpoints": network(
        [3, 4, 2], cell="gru", checkpoint_every=4, learn_initial_state=True, l2=0.2
    ),
}
