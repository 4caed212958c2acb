"""Class maps against crops, one by one, and boxes found by a network whose weights are written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.data.resizing import resized
from fnnets.detection import boxes
from fnnets.detection.detection import class_map, detect, exhaustive_map, map_stride, pyramid, stitched_map
from fnnets.layers.dense import DenseParams

SOFTMAX = fn.objectives.softmax_log_likelihood
TABLE = "conv3-3 maxpool2 | conv2-4 | dropout0.7 fc-5 dropout0.5 fc-3"
NET = fn.convolutional((9, 10, 2), TABLE, fn.activations.tanh, objective=SOFTMAX, pool_first=True)
IMAGES = np.random.default_rng(0).normal(size=(2, 14, 17, 2))
KEY = jax.random.key(0)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def started(net):
    """Parameters that tell one crop from another, in the precision of the test; NumPy draws them without compiling."""
    random = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: 0.3 * random.normal(size=leaf.shape).astype(leaf.dtype), jax.eval_shape(net.init, KEY)
    )


@pytest.fixture(scope="module", params=["float32", "float64"])
def maps(request):
    """All three maps of one network, in one program."""
    with jax.enable_x64(request.param == "float64"), jax.numpy_dtype_promotion("strict"):

        @jax.jit
        def run(params, images):
            plain = exhaustive_map(NET, params, images, 1, block=7)
            return class_map(NET, params, images), stitched_map(NET, params, images), plain

        return request.param, jax.device_get(run(started(NET), IMAGES))


def test_the_map_says_what_the_network_says_of_every_crop(maps):
    dtype, (found, _, plain) = maps
    assert map_stride(NET) == (2, 2)
    assert found.dtype == dtype
    assert found.shape == (2, 3, 4, 3)  # sizes that leave a pixel over
    assert np.ptp(plain, axis=(1, 2)).min() > 0.01
    np.testing.assert_allclose(found, plain[:, ::2, ::2], rtol=0, atol=TOLERANCE[dtype])


def test_the_stitched_map_says_it_of_crops_at_every_pixel(maps):
    dtype, (_, stitched, plain) = maps
    assert stitched.shape == (2, 6, 8, 3)
    np.testing.assert_allclose(stitched, plain, rtol=0, atol=TOLERANCE[dtype])


def test_exhaustive_is_predict_crop_by_crop(maps):
    dtype, (_, _, plain) = maps
    crops = np.stack([IMAGES[1, y : y + 9, x : x + 10] for y, x in ((0, 0), (2, 7), (5, 3))])
    with jax.enable_x64(dtype == "float64"):
        expected = jax.jit(NET.predict)(started(NET), crops)
    found = np.stack([plain[1, y, x] for y, x in ((0, 0), (2, 7), (5, 3))])
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype])


def test_strides_that_differ_by_axis_in_nested_chains():
    front = fn.chain(fn.layers.convolution(2, (3, 2), stride=(2, 3), activation=fn.activations.relu))
    net = fn.network(fn.chain(front, fn.layers.flatten(), fn.layers.dense(3)), SOFTMAX, (6, 9, 2))
    assert map_stride(net) == (2, 3)

    @jax.jit
    def run(params):
        stitched = stitched_map(net, params, IMAGES)
        return class_map(net, params, IMAGES), stitched, exhaustive_map(net, params, IMAGES, (2, 3))

    found, stitched, plain = jax.device_get(run(started(net)))
    assert np.ptp(plain, axis=(1, 2)).min() > 0.01
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-5)
    np.testing.assert_allclose(stitched[:, ::2, ::3], plain, rtol=0, atol=1e-5)


def test_padded_windows_are_refused_unless_their_borders_may_differ():
    net = fn.convolutional((7, 7, 2), "conv3-2/2 | fc-3", objective=SOFTMAX, padding="same")
    params, images = started(net), IMAGES[:, :8, :8]  # a pixel more than a crop, which would move the padding
    for refused in (class_map, stitched_map):
        with pytest.raises(ValueError, match=r"border pixels of a crop see zeros.*borders_differ=True"):
            refused(net, params, images)
    found = jax.jit(lambda p: (class_map(net, p, images, borders_differ=True), net.predict(p, images[:, :7, :7])))
    one, expected = found(params)
    assert one.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(one[:, 0, 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.ones((9, 10, 2)), r"class_map: images has shape \(9, 10, 2\), expected \(N, H, W, 2\); .*images\[None\]"),
        (np.ones((1, 2, 30, 30)), r"have 30 channels, expected 2; axis 0 looks like the channels.*moveaxis"),
        (np.ones((1, 30, 30, 3)), r"have 3 channels, expected 2"),
        (np.ones((1, 9, 9, 2)), r"images have 9 x 9 pixels, expected at least 9 x 10"),
        (np.full((1, 9, 10, 2), np.nan), r"class_map: images holds .* NaN"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        class_map(NET, started(NET), images)


DENSE = fn.feedforward([4, 3], objective=SOFTMAX)
LINEAR = fn.network(fn.chain(fn.layers.convolution(2, 3), fn.layers.flatten()), SOFTMAX, (5, 5, 1))
MIXED = fn.network(
    fn.chain(fn.layers.flatten(), fn.layers.dense(3), fn.layers.dense(3)._replace(name="mixture")), SOFTMAX, (5, 5, 1)
)


@pytest.mark.parametrize(
    ("net", "error", "message"),
    [
        ("lenet", TypeError, "net is 'lenet'.*expected Network"),
        (DENSE, ValueError, r"reads examples of shape \(4,\), expected images"),
        (LINEAR, ValueError, "made of convolution, flatten; expected windows"),
        (MIXED, ValueError, "made of flatten, dense, mixture; expected windows"),
    ],
)
def test_other_networks_are_refused(net, error, message):
    with pytest.raises(error, match=f"map_stride: .*{message}"):
        map_stride(net)


def test_foreign_parameters_and_strides_are_refused():
    with pytest.raises(ValueError, match="class_map: params has the structure"):
        class_map(NET, (), IMAGES)
    with pytest.raises(ValueError, match="exhaustive_map: stride is 0"):
        exhaustive_map(NET, jax.eval_shape(NET.init, KEY), IMAGES, 0)


def test_a_pyramid_is_antialiased():
    image = np.random.default_rng(1).random((1, 12, 20, 1), np.float32)
    same, half = pyramid(image, (1.0, 0.5))
    assert same is image
    np.testing.assert_allclose(half[0, ..., 0], resized(image[0, ..., 0], (6, 10)), atol=1e-6)


@pytest.mark.parametrize(
    ("images", "scale", "message"),
    [
        (np.ones((12, 20, 1)), 1.0, r"pyramid: images has shape \(12, 20, 1\), expected \(N, H, W, C\)"),
        (np.ones((1, 12, 20, 1)), 0.0, r"scales\[0\] is 0.0"),
        (np.ones((1, 12, 20, 1)), 0.01, "scales holds 0.01, which leaves no pixel of 12 x 20"),
    ],
)
def test_wrong_pyramids_are_refused(images, scale, message):
    with pytest.raises(ValueError, match=message):
        pyramid(images, (scale,))


def test_detection_finds_squares_of_both_sizes_where_they_are():
    """Class 0 is a bright square of 4 pixels within a dark frame; class 1 is anything."""
    net = fn.network(fn.chain(fn.layers.flatten(), fn.layers.dense(2)), fn.objectives.sigmoid_cross_entropy, (6, 6, 1))
    weights = np.full((2, 6, 6), -2.0, np.float32)
    weights[0, 1:5, 1:5] = 2.0
    biases = np.array([-20.0, 9e3], np.float32)
    params = ((), DenseParams(jnp.asarray(weights.reshape(2, 36)), jnp.asarray(biases)))
    images = np.zeros((3, 24, 28, 1), np.float32)
    images[0, 3:7, 5:9] = 1.0
    images[0, 10:18, 12:20] = 1.0
    images[2, 17:21, 9:13] = 1.0
    found = detect(net, params, images, (1.0, 0.5), background=1)
    assert [len(each.scores) for each in found] == [2, 0, 1]
    assert sorted(found[0].edges.tolist()) == [[2.0, 4.0, 8.0, 10.0], [8.0, 10.0, 20.0, 22.0]]
    assert found[2].edges.tolist() == [[16.0, 8.0, 22.0, 14.0]]
    assert all(isinstance(each, boxes.Boxes) and not each.classes.any() for each in found)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"scales": 0.5}, TypeError, r"detect: scales is 0.5, expected a list of numbers; write \[1.0, 0.5\]"),
        ({"scales": []}, ValueError, "detect: scales is empty, expected at least one number"),
        (
            {"scales": [0.25]},
            ValueError,
            "detect: scales holds 0.25, which leaves 3 x 4 pixels, expected at least 6 x 6",
        ),
        (
            {"scales": [1e9]},
            ValueError,
            r"pyramid: scales holds 1e\+?0?9|scales holds 1000000000.0, which makes",
        ),
        ({"images": np.ones((12, 16, 1))}, ValueError, r"for a single image write images\[None\]"),
        ({"images": np.ones((1, 12, 16, 1)) * 1e300}, ValueError, "detect: images holds numbers up to"),
        ({"threshold": 50}, ValueError, "detect: threshold is 50, expected at most 1, .* write 50 / 100 for per cent"),
        ({"overlap": 30}, ValueError, "detect: overlap is 30, expected an IoU"),
        ({"background": 2}, ValueError, "detect: background is 2, expected below 2 classes"),
        ({"per_class": "yes"}, TypeError, "detect: per_class is 'yes' of type str, expected True or False"),
        ({"borders_differ": 1}, TypeError, "detect: borders_differ is 1 of type int, expected True or False"),
    ],
)
def test_settings_of_detection_are_refused_before_anything_is_compiled(change, error, message):
    net = fn.network(fn.chain(fn.layers.flatten(), fn.layers.dense(2)), fn.objectives.sigmoid_cross_entropy, (6, 6, 1))
    arguments = {"net": net, "params": started(net), "images": np.ones((1, 12, 16, 1), np.float32)} | change
    with pytest.raises(error, match=message):
        detect(**arguments)


def test_images_without_pixels_have_no_pyramid():
    with pytest.raises(ValueError, match=r"images has shape \(1, 0, 4, 1\): no pixels, expected at least one"):
        pyramid(np.ones((1, 0, 4, 1)), [0.5])


def test_scores_in_the_place_of_hits_are_named():
    with pytest.raises(ValueError, match=r"scores these alone, .*; write average_precision\(hits, scores, truths\)"):
        fn.detection.average_precision([0.9, 0.8, 0.7], [True, False, True], 2)
