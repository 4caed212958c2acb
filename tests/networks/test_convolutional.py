"""Convolutional networks: the tables of papers, both orders of pooling, and what is refused."""

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.kernels import windows

SOFTMAX = fn.objectives.softmax_log_likelihood
HEADS = "fc-4096 fc-4096 fc-1000"
VGG = {
    "A": "conv3-64 maxpool2 | conv3-128 maxpool2 | conv3-256 conv3-256 maxpool2 | conv3-512 conv3-512 maxpool2 | "
    f"conv3-512 conv3-512 maxpool2 | {HEADS}",
    "D": "conv3-64 conv3-64 maxpool2 | conv3-128 conv3-128 maxpool2 | conv3-256 conv3-256 conv3-256 maxpool2 | "
    f"conv3-512 conv3-512 conv3-512 maxpool2 | conv3-512 conv3-512 conv3-512 maxpool2 | {HEADS}",
    "E": "conv3-64 conv3-64 maxpool2 | conv3-128 conv3-128 maxpool2 | conv3-256 conv3-256 conv3-256 conv3-256 maxpool2 "
    "conv3-512 conv3-512 conv3-512 conv3-512 maxpool2 | conv3-512 conv3-512 conv3-512 conv3-512 maxpool2 | " + HEADS,
}


def parameters(net):
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0))))


@pytest.mark.parametrize(("name", "published"), [("A", 132_863_336), ("D", 138_357_544), ("E", 143_667_240)])
def test_vgg_has_as_many_parameters_as_published(name, published):
    """[Simonyan2014], tables 1 and 2."""
    net = fn.convolutional((224, 224, 3), VGG[name], fn.activations.relu, objective=SOFTMAX, padding="same")
    assert parameters(net) == published


def test_nielsens_networks():
    """Chapter 6: 20 filters of 5 x 5, then 40 over 20 channels; (24/2)² · 20 and (8/2)² · 40 units before the dense."""
    one = fn.convolutional((28, 28, 1), "conv5-20 maxpool2 | fc-100 fc-10", objective=SOFTMAX, pool_first=True)
    two = fn.convolutional((28, 28, 1), "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10", objective=SOFTMAX)
    assert parameters(one) == 20 * 26 + 100 * (2880 + 1) + 10 * 101
    assert parameters(two) == 20 * 26 + 40 * (20 * 25 + 1) + 100 * (640 + 1) + 10 * 101


def test_a_table_is_read_entry_by_entry():
    net = fn.convolutional(
        (20, 20, 3), ["CONV3x5-4/2 MeanPool3/2", fn.layers.dropout(0.1), "dropout.5 | FC-6", "fc-2"], objective=SOFTMAX
    )
    names = [part.name for part in net.layer.parts]
    assert names == ["convolution", "mean_pooling", "dropout", "dropout", "flatten", "dense", "dense"]
    assert net.layer.parts[0].window == windows.window("convolution", (3, 5), 2)
    assert net.layer.parts[1].window == windows.window("mean_pooling", 3, 2)


def test_filters_that_are_not_shared_are_an_entry_of_the_table():
    """Section 5: conv5-6 has 6(25 + 1) parameters on one channel, unshared 144 times as many in 28 x 28 at stride 2."""
    shared, unshared = (
        fn.convolutional(
            (28, 28, 1), f"{kind}5-6/2 maxpool2 | fc-3", fn.activations.relu, objective=SOFTMAX, pool_first=True
        )
        for kind in ("conv", "local")
    )
    assert unshared.layer.parts[0].name == "locally_connected"
    assert [part.name for part in unshared.layer.parts[1:]] == [part.name for part in shared.layer.parts[1:]]
    assert parameters(unshared) - parameters(shared) == 143 * 6 * 26
    padded = fn.convolutional((28, 28, 1), "local5-6/2 fc-3", objective=SOFTMAX, padding="same")
    assert parameters(padded) == 14 * 14 * 6 * 26 + 3 * (14 * 14 * 6 + 1)


def test_both_orders_agree_for_a_rising_activation():
    """max σ(z) = σ(max z), so the same parameters give the same predictions."""
    table, images = "conv2-3 maxpool2 | fc-2", np.random.default_rng(0).normal(size=(3, 5, 5, 1)).astype(np.float32)
    after, before = (fn.convolutional((5, 5, 1), table, objective=SOFTMAX, pool_first=first) for first in (False, True))
    convolution, pooling, flatten, dense = params = after.init(jax.random.key(0))
    assert [part.name for part in before.layer.parts] == [
        "convolution", "max_pooling", "activate", "flatten", "dense",
    ]  # fmt: skip
    np.testing.assert_allclose(
        after.predict(params, images), before.predict((convolution, pooling, (), flatten, dense), images), rtol=1e-6
    )


BAD_TABLES = {
    "has the entry 'con5-20'": "con5-20 fc-1",
    "ends in 'maxpool2'": "conv3-2 maxpool2",
    "ends in 'nothing'": "",
    r"expected at least \(16, 16, C\)": "conv5-2 maxpool2 | conv5-2 maxpool2 | fc-1",
    "stride is 0": "conv3-2/0 fc-1",
    "window is 0": "maxpool0 fc-1",
    "filters is 0": "conv3-0 fc-1",
    "units is 0": "fc-0",
    "rate is 1.5": "dropout1.5 fc-1",
}


def test_an_implementation_is_that_of_convolutions():
    """The plain page convolves by products of patches."""
    table = "conv3-2 maxpool2 meanpool1 local2-2 | fc-2"
    fast, plain = (
        fn.convolutional((7, 7, 1), table, objective=SOFTMAX, implementation=each) for each in ("fast", "plain")
    )
    params = jax.eval_shape(fast.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct((2, 7, 7, 1), np.float32)
    programs = [str(jax.make_jaxpr(net.predict)(params, x)) for net in (fast, plain)]
    assert ["conv_general_dilated" in program for program in programs] == [True, False]
    for wanted in ("conv3-2 fc-1", "fc-1"):
        with pytest.raises(ValueError, match="convolutional: implementation is 'quick', expected \"fast\""):
            fn.convolutional((7, 7, 1), wanted, objective=SOFTMAX, implementation="quick")


@pytest.mark.parametrize("message", BAD_TABLES)
def test_bad_tables_are_refused(message):
    with pytest.raises(ValueError, match=message):
        fn.convolutional((12, 12, 1), BAD_TABLES[message], objective=SOFTMAX)


def test_wrong_images_are_named_by_their_axis():
    with pytest.raises(ValueError, match="axis 0 looks like the channels"):
        fn.convolutional((1, 28, 28), "conv5-2 fc-1", objective=SOFTMAX)
    with pytest.raises(ValueError, match=r"one channel with images\[..., None\]"):
        fn.convolutional((28, 28), "conv5-2 fc-1", objective=SOFTMAX)
    net = fn.convolutional((6, 5, 2), "conv3-2 fc-2", objective=SOFTMAX)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(net.init, jax.random.key(0)))
    with pytest.raises(ValueError, match=r"axis 1 holds the channels.*moveaxis"):
        net.predict(params, np.zeros((4, 2, 6, 5), np.float32))
    grey = fn.convolutional((6, 5, 1), "conv3-2 fc-2", objective=SOFTMAX)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(grey.init, jax.random.key(0)))
    with pytest.raises(ValueError, match=r"one channel with inputs\[\.\.\., None\]"):
        grey.predict(params, np.zeros((4, 6, 5), np.float32))
    with pytest.raises(ValueError, match=r"single example write inputs\[None\]"):
        grey.predict(params, np.zeros((6, 5, 1), np.float32))
    with pytest.raises(TypeError, match="table is 3"):
        fn.convolutional((6, 5, 2), 3, objective=SOFTMAX)


def test_the_first_d_x_is_dropped_from_the_compiled_program():
    """No special case in the chain: the compiler drops what a network does not use."""
    net = fn.convolutional((9, 9, 1), "conv3-2 | fc-2", objective=SOFTMAX)
    batch = fn.Batch(np.zeros((2, 9, 9, 1), np.float32), np.zeros(2, np.int32))
    params = jax.eval_shape(net.init, jax.random.key(0))
    convolution = net.layer.parts[0]

    def with_d_x(params, x):
        y, trace = convolution.forward(params[0], x, fn.Context())
        return convolution.backward(params[0], trace, y)

    def operations(function, *arguments):
        return jax.jit(function).lower(*arguments).compile().as_text().count(" convolution(")

    assert operations(net.gradient, params, batch) == 1  # the forward pass; dW is a matrix product on a CPU
    assert operations(with_d_x, params, batch.inputs) == 2


def test_an_order_of_pooling_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="convolutional: pool_first is 'no' of type str, expected True or False"):
        fn.convolutional((6, 6, 1), "conv3-2 | fc-2", objective=SOFTMAX, pool_first="no")


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ("dense-10", "write fc-10"),
        ("avgpool2", "write meanpool2"),
        ("averagepool3/2", "write meanpool3/2"),
        ("relu", "write activation=fnnets.activations.relu"),
        ("softmax", "leave it out: the objective owns"),
        ("flatten", "leave it out: fully connected layers flatten"),
    ],
)
def test_a_word_of_other_libraries_is_advised_its_own(entry, remedy):
    with pytest.raises(ValueError, match=f"convolutional: table has the entry '{entry}', .*; {remedy}"):
        fn.convolutional((28, 28, 1), f"conv3-4 {entry} fc-10", objective=fn.objectives.softmax_log_likelihood)


def test_one_number_is_no_shape_of_images():
    with pytest.raises(TypeError, match=r"input_shape is the number 28, .*; write \(28, 28, 1\) for grey images"):
        fn.convolutional(28, "fc-10", objective=fn.objectives.softmax_log_likelihood)
