"""Every line of code that a message advises is run: the call then passes, and means the same classes or numbers."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn

KEY = jax.random.key(0)
SOFTMAX, LINEAR = fn.objectives.softmax_log_likelihood, fn.objectives.linear_squared_error
CROSS = fn.objectives.sigmoid_cross_entropy
X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)
LABELS = np.arange(6) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
STEPS = np.linspace(0, 1, 60, dtype=np.float32).reshape(5, 4, 3)


def advised(message, name):
    """The longest expression behind the last semicolon, from "use", "write" or "with" on, that has the name in it."""
    start = re.search(r"; (?:.*?\b(?:use|write|with) )", message).end()
    for end in range(len(message), start, -1):
        text = message[start:end].strip()
        try:
            compile(text, "advice", "eval")
        except SyntaxError:
            continue
        if not text.endswith(","):
            assert name in text
            return text
    raise AssertionError(message)


def run(expression, **values):
    return eval(expression, {"np": np, "jnp": jnp, "jax": jax, "fnnets": fn, **values})


def network(outputs, objective):
    return fn.feedforward([4, outputs], objective=objective)


TARGETS = {
    "a column of labels": (3, SOFTMAX, LABELS[:, None], LABELS),
    "labels in floats": (3, SOFTMAX, LABELS.astype(np.float32), LABELS),
    "labels as bools": (2, SOFTMAX, LABELS == 1, (LABELS == 1).astype(int)),
    "a column of labels in floats": (3, SOFTMAX, LABELS[:, None].astype(np.float32), LABELS),
    "one-hot rows of integers": (3, SOFTMAX, ONE_HOT.astype(int), LABELS),
    "counts": (3, SOFTMAX, 2 * ONE_HOT.astype(int) + 1, (2 * ONE_HOT + 1) / 5),
    "rows of floats": (3, SOFTMAX, 4 * ONE_HOT + 1, (4 * ONE_HOT + 1) / 7),
    "weighted rows": (3, SOFTMAX, ONE_HOT / 2, ONE_HOT),
    "labels from 1": (3, SOFTMAX, LABELS + 1, LABELS),
    "labels from 1, in bytes": (3, SOFTMAX, (LABELS + 1).astype(np.uint8), LABELS),
    "one-hot rows of ±1": (3, SOFTMAX, 2 * ONE_HOT - 1, ONE_HOT),
    "labels for one sigmoid": (1, CROSS, LABELS % 2, (LABELS % 2)[:, None]),
    "labels for one linear output": (1, LINEAR, LABELS, LABELS[:, None]),
    "numbers for one output": (1, LINEAR, X[:, 0], X[:, :1]),
    "labels for three sigmoids": (3, CROSS, LABELS, ONE_HOT),
    "labels for linear outputs": (3, LINEAR, LABELS, ONE_HOT),
    "labels in floats for sigmoids": (3, CROSS, LABELS.astype(float), ONE_HOT),
    "a column of labels for sigmoids": (3, CROSS, LABELS[:, None], ONE_HOT),
    "a column of floats for sigmoids": (3, CROSS, LABELS[:, None].astype(np.float32), ONE_HOT),
    "±1 for sigmoids": (3, CROSS, 2 * ONE_HOT - 1, ONE_HOT),
    "1 and 2 for a sigmoid": (1, CROSS, (LABELS[:, None] > 0) + 1.0, (LABELS[:, None] > 0) * 1.0),
    "labels in texts": (3, SOFTMAX, LABELS.astype(str), LABELS),
    "names of classes": (3, SOFTMAX, np.array(["cat", "dog", "owl"])[LABELS], LABELS),
    "names as objects": (3, SOFTMAX, np.array(["cat", "dog", "owl"], object)[LABELS], LABELS),
    "labels as objects": (3, SOFTMAX, LABELS.astype(object), LABELS),
    "bytes of pixels": (3, CROSS, (255 * ONE_HOT).astype(np.uint8), ONE_HOT),
}


@pytest.mark.parametrize("case", TARGETS)
def test_the_advice_for_targets_gives_what_was_meant(case):
    outputs, objective, targets, meant = TARGETS[case]
    net = network(outputs, objective)
    params = net.init(KEY)
    seen = 0
    for _ in range(2):  # one remedy may uncover another
        try:
            net.cost(params, fn.Batch(X, targets))
            break
        except (TypeError, ValueError) as error:
            seen += 1
            targets = run(advised(str(error), "targets"), targets=targets)
    assert seen
    np.testing.assert_allclose(np.asarray(targets, np.float32), np.asarray(meant, np.float32), rtol=1e-6)
    net.cost(params, fn.Batch(X, targets))


def test_labels_for_one_sigmoid_are_advised_a_column():
    with pytest.raises(ValueError, match=r"use targets\[\.\.\., None\]") as caught:
        network(1, CROSS).cost(network(1, CROSS).init(KEY), fn.Batch(X, LABELS % 2))
    assert "one_hot" not in str(caught.value)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([[1, 1, 0]] * 6), "several classes in a row, .*; give each example one class, or take sigmoid"),
        (np.array([[1.0, 1, 0]] * 6), "rows that are no distr.*; give each example one class, or take sigmoid"),
        (np.full((6, 3), 1e-9), "rows that are no distributions.*; give labels, or use targets / "),
        (LABELS + 2, "labels from 2 to 4, expected 0 to 2; give the network an output for each class, or renumber"),
    ],
)  # fmt: skip
def test_where_no_line_of_code_helps_the_remedy_is_in_words(targets, message):
    net = network(3, SOFTMAX)
    with pytest.raises(ValueError, match=message):
        net.cost(net.init(KEY), fn.Batch(X, targets))


IMAGES = np.linspace(0, 1, 6 * 4 * 5 * 2, dtype=np.float32).reshape(6, 4, 5, 2)
GREY = IMAGES[..., :1]
INPUTS = {
    "a single example": ((4,), X[0], X[:1]),
    "one feature": ((1,), X[:, 0], X[:, :1]),
    "grey images without a channel": ((4, 5, 1), GREY[..., 0], GREY),
    "one grey image without a channel": ((4, 5, 1), GREY[0, ..., 0], GREY[:1]),
    "one grey image": ((4, 5, 1), GREY[0], GREY[:1]),
    "channels first": ((4, 5, 2), np.moveaxis(IMAGES, -1, 1), IMAGES),
    "one image with its channels first": ((4, 5, 2), np.moveaxis(IMAGES[0], -1, 0), IMAGES[:1]),
    "examples along the second axis": ((4,), X.T, X),
    "texts of numbers": ((4,), X.astype(str), X.astype(str).astype(float)),
    "objects that are numbers": ((4,), X.astype(object), X),
    "days": ((4,), np.datetime64("2020-01-01") + np.arange(24).reshape(6, 4), np.arange(24.0).reshape(6, 4)),
    "spans of time": ((4,), np.arange(24).reshape(6, 4) * np.timedelta64(24, "h"), np.arange(24.0).reshape(6, 4)),
    "images as rows": ((4, 5, 2), IMAGES.reshape(6, 40), IMAGES),
    "rows as images": ((40,), IMAGES, IMAGES.reshape(6, 40)),
}


@pytest.mark.parametrize("case", INPUTS)
def test_the_advice_for_inputs_gives_what_was_meant(case):
    shape, inputs, meant = INPUTS[case]
    net = fn.network(fn.chain(fn.layers.flatten(), fn.layers.dense(3)), SOFTMAX, shape)
    params = net.init(KEY)
    with pytest.raises((TypeError, ValueError), match="predict: inputs") as caught:
        net.predict(params, inputs)
    inputs = run(advised(str(caught.value), "inputs"), inputs=inputs)
    np.testing.assert_array_equal(inputs, meant)
    net.predict(params, inputs)


def test_what_no_axis_helps_is_not_advised_one():
    net = network(3, SOFTMAX)
    for wrong in (X[0, :3], X[:, 0], X[None]):
        with pytest.raises(ValueError, match=r"expected .*; (?!.*\[).*") as caught:
            net.predict(net.init(KEY), wrong)
        assert "None" not in str(caught.value).rpartition(";")[2]


SEQUENCES = {
    "a single sequence": (3, STEPS[:, 0], STEPS[:, :1]),
    "codes of symbols": (4, np.arange(6).reshape(2, 3) % 4, np.eye(4)[np.arange(6).reshape(2, 3) % 4]),
    "one feature a step": (1, STEPS[..., 0], STEPS[..., :1]),
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_the_advice_for_sequences_gives_what_was_meant(case):
    features, inputs, meant = SEQUENCES[case]
    net = fn.recurrent([features, 2, 2], objective=SOFTMAX)
    params = net.init(KEY)
    with pytest.raises(ValueError, match="predict: inputs") as caught:
        net.predict(params, inputs)
    inputs = run(advised(str(caught.value), "inputs"), inputs=inputs)
    np.testing.assert_array_equal(inputs, meant)
    net.predict(params, inputs)


def test_the_advice_for_masks_and_batch_major_sequences_passes():
    every, one = (fn.recurrent([3, 2, 2], objective=SOFTMAX, return_sequences=each) for each in (True, False))
    params, mask, labels = every.init(KEY), np.ones((5, 4), bool), np.zeros((5, 4), int)
    cases = [
        (every, "mask", fn.Batch(STEPS, labels, mask.astype(int))),
        (every, "mask", fn.Batch(STEPS, labels, mask.T)),
        (every, "targets", fn.Batch(STEPS, labels.T)),
        (one, "inputs", fn.Batch(STEPS.swapaxes(0, 1), labels[0])),
    ]
    for net, field, batch in cases:
        with pytest.raises((TypeError, ValueError)) as caught:
            net.cost(params, batch)
        value = run(advised(str(caught.value), field), **{field: getattr(batch, field)}, batch=batch)
        net.cost(params, batch._replace(**{field: value}))


def test_lengths_are_advised_the_mask_that_they_mean():
    net = fn.recurrent([3, 2, 2], objective=SOFTMAX)
    with pytest.raises(ValueError, match="mask has shape") as caught:
        net.predict(net.init(KEY), STEPS, [5, 1, 2, 3])
    mask = run(advised(str(caught.value).removesuffix(" for lengths"), "mask"), mask=np.array([5, 1, 2, 3]))
    assert mask.sum(axis=0).tolist() == [5, 1, 2, 3]
    net.predict(net.init(KEY), STEPS, mask)


def test_a_coder_of_pixels_is_advised_their_range():
    net = fn.autoencoder([3, 2])
    for inputs in ((255 * ONE_HOT).astype(np.uint8), 2 * ONE_HOT - 1):
        with pytest.raises(ValueError, match="holds values from") as caught:
            net.cost(net.init(KEY), fn.Batch(inputs))
        inputs = run(advised(str(caught.value), "inputs"), inputs=inputs)
        np.testing.assert_array_equal(inputs, ONE_HOT)
        net.cost(net.init(KEY), fn.Batch(inputs))


@pytest.mark.parametrize("batch", [(X, LABELS), [X, LABELS], {"inputs": X, "targets": LABELS}])
def test_a_pair_or_a_dictionary_becomes_a_batch(batch):
    net = network(3, SOFTMAX)
    with pytest.raises(TypeError, match=r"cost: batch is .*expected a fnnets.Batch; write") as caught:
        net.cost(net.init(KEY), batch)
    net.cost(net.init(KEY), run(str(caught.value).rpartition("; write ")[2], batch=batch))


def test_a_layer_advises_the_batch_axis_where_it_helps():
    layer = fn.layers.convolution(2, 2)
    params, _ = layer.init(KEY, (4, 5, 2))
    with pytest.raises(ValueError, match=r"; for a single image write x\[None\]"):
        layer.forward(params, IMAGES[0], fn.Context())
    layer.forward(params, IMAGES[0][None], fn.Context())


@pytest.mark.parametrize("module", ["csr_matrix", "csr_array"])
def test_sparse_arrays_are_advised_to_be_made_dense(module):
    sparse = pytest.importorskip("scipy.sparse")
    inputs, net = getattr(sparse, module)(X), network(3, SOFTMAX)
    with pytest.raises(TypeError, match="it is sparse: write") as caught:
        net.predict(net.init(KEY), inputs)
    np.testing.assert_array_equal(run(advised(str(caught.value), "inputs"), inputs=inputs), X)


def test_what_is_no_number_is_named():
    net = network(3, SOFTMAX)
    with pytest.raises(TypeError, match="leave out what is no number, such as 'a word' of type str"):
        net.predict(net.init(KEY), np.array([[1.0, 2.0, "a word", 3]], object))


def test_missing_labels_are_named_as_such():
    net = network(3, SOFTMAX)
    with pytest.raises(ValueError, match="targets holds 1 values that are NaN or infinite, the first nan at"):
        net.cost(net.init(KEY), fn.Batch(X, np.where(np.arange(6) == 2, np.nan, LABELS)))


def test_a_result_in_the_place_of_parameters_is_advised_its_field():
    net = network(3, SOFTMAX)
    examples = fn.Batch(X, LABELS)
    result = fn.fit(net, optax.sgd(0.1), examples, key=KEY, epochs=1, batch_size=6, progress=False)
    for wrong in (result, result.state):
        with pytest.raises(ValueError, match=r"; give its field params, as result\.params"):
            fn.evaluate(net, wrong, examples)


def test_names_of_classes_of_sequences_are_advised_their_numbers():
    sequences, targets = [STEPS[:2, 0], STEPS[:4, 1]], ["owl", "cat"]
    with pytest.raises(TypeError, match="pad: targets") as caught:
        fn.data.pad(sequences, targets)
    assert fn.data.pad(sequences, run(advised(str(caught.value), "targets"), targets=targets)).targets.tolist() == [
        1,
        0,
    ]
    with pytest.raises(TypeError, match=r"; give numbers in place of texts, as encode of fnnets.data.vocabulary"):
        fn.data.pad(["abc", "de"], [0, 1])
