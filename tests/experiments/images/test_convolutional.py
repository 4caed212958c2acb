import numpy as np
import pytest

import fnnets as fn
from experiments.harness import training
from experiments.images import convolutional


def test_digits_are_images_in_the_order_of_their_source():
    images = convolutional.load()
    flat = np.concatenate([np.asarray(part.inputs).reshape(-1, 64) for part in images[1:]])
    assert np.array_equal(flat, fn.data.digits().inputs)


def test_mnist_is_taken_where_its_folder_is_given(bars):
    images = convolutional.load(bars)
    assert (images.name, images.shape) == ("MNIST", (28, 28, 1))
    assert np.array_equal(images.test.inputs.reshape(200, 784), fn.data.mnist(bars).test.inputs)


def test_training_that_is_interrupted_is_no_result(monkeypatch):
    result = fn.training.Result(None, None, None, "interrupted after epoch 1")
    monkeypatch.setattr(fn, "fit", lambda *args, **how: result)
    with pytest.raises(KeyboardInterrupt):
        training.train(None, None, None, 0)
