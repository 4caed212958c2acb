"""Weights by classes, and that data sets which are taken apart or joined keep the weights of their examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

import fnnets as fn
from fnnets.core import joining

LABELS = np.array([0, 3, 3, 1, 0, 3])
X = np.arange(12.0, dtype=np.float32).reshape(6, 2)


def test_balanced_weights_are_those_of_scikit_learn():
    np.testing.assert_allclose(fn.data.class_weights(LABELS), compute_sample_weight("balanced", LABELS), rtol=1e-6)
    np.testing.assert_allclose(fn.data.class_weights(np.eye(4)[LABELS]), fn.data.class_weights(LABELS), rtol=0)


def test_steps_have_weights_of_their_own():
    assert fn.data.class_weights(LABELS.reshape(3, 2), [1, 2, 3, 4]).tolist() == [[1, 4], [4, 2], [1, 4]]


def test_weights_are_float32_and_float64_under_x64():
    assert fn.data.class_weights(LABELS).dtype == jnp.float32
    with jax.enable_x64(True):
        assert fn.data.class_weights(LABELS).dtype == jnp.float64


@pytest.mark.parametrize(
    ("targets", "of_classes", "message"),
    [
        ([0.5, 1.0], None, r"targets of dtype float64 name no classes, expected integer labels or one-hot rows; write"),
        ([-1, 2], None, "targets holds the label -1, expected 0 or more; renumber"),
        (np.zeros(0, int), None, r"targets has shape \(0,\), expected at least one label; give some"),
        (
            LABELS,
            [1.0, 2.0],
            "targets holds the label 3, expected less than 2, the number of weights in of_classes; give",
        ),
        (LABELS, np.ones((4, 1)), r"of_classes has shape \(4, 1\), expected \(K,\); give each class one"),
        (LABELS, [1.0, 2.0, -1.0, 1.0], "of_classes holds -1, expected numbers >= 0; 0 leaves a class out"),
    ],
)
def test_what_names_no_classes_is_refused(targets, of_classes, message):
    with pytest.raises(ValueError, match=f"^class_weights: {message}"):
        fn.data.class_weights(targets, of_classes)


def test_parts_of_a_data_set_keep_the_weights_of_their_examples():
    batch = fn.Batch(X, LABELS, weights=X[:, 0])
    parts = [
        *fn.data.split(batch, [4, 2], key=jax.random.key(0)),
        *next(iter(fn.data.k_fold(batch, 3, key=jax.random.key(0)))),
        *fn.data.bootstrap(batch, key=jax.random.key(0)),
    ]
    for part in parts:
        np.testing.assert_array_equal(part.weights, part.inputs[:, 0])
    sequences = fn.Batch(np.stack([X, X + 1]), LABELS, weights=X[:, 0])
    (part, _) = fn.data.split(sequences, [2, 4], key=jax.random.key(0), sequences=True)
    np.testing.assert_array_equal(part.weights, part.inputs[0, :, 0])


def test_images_that_are_moved_keep_their_weights():
    moved = fn.data.nudge(fn.Batch(np.ones((2, 9)), weights=np.array([1.0, 2.0])), image_shape=(3, 3))
    assert moved.weights.tolist() == 5 * [1.0, 2.0]


def test_weights_of_joined_batches_are_one_after_the_other_and_1_where_there_are_none():
    first, second = fn.Batch(X, LABELS, weights=X[:, 0]), fn.Batch(X[:2], LABELS[:2])
    assert joining.join("pointwise", first, second).weights.tolist() == [*X[:, 0], 1, 1]
    steps = fn.Batch(np.ones((3, 2, 1), np.float32), np.zeros((3, 2), int), weights=np.full((3, 2), 2.0, np.float32))
    other = fn.Batch(np.ones((4, 1, 1), np.float32), np.zeros((4, 1), int), weights=np.full(1, 5.0, np.float32))
    both = joining.join("sequence to sequence", steps, other)
    assert both.weights.tolist() == [[2, 2, 5], [2, 2, 5], [2, 2, 5], [0, 0, 5]]
