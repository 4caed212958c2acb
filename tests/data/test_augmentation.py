import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fnnets import Batch
from fnnets.data import affine, augment, digits, nudge, rotate, scale, shift, translate

KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).random((6, 9, 12)).astype(np.float32)
LAYOUTS = [
    ((6, 9, 12), None),
    ((6, 9, 4, 3), None),
    ((6, 108), (9, 12)),
    ((6, 108), (9, 4, 3)),
    ((6, 9, 4, 3), (9, 4, 3)),
]


def one_by_one(function, *amounts):
    return np.stack([function(image, *each) for image, *each in zip(IMAGES, *amounts, strict=True)])


def test_shifts_are_scipys():
    shifts = np.random.default_rng(1).uniform(-3, 3, (6, 2))
    expected = one_by_one(lambda image, each: ndimage.shift(image, each, order=1, mode="grid-constant"), shifts)
    np.testing.assert_allclose(affine(IMAGES, shifts=shifts), expected, atol=1e-5)


def test_rotations_are_scipys():
    degrees = np.array([0.0, 15.0, -40.0, 90.0, 180.0, 271.0])
    expected = one_by_one(
        lambda image, each: ndimage.rotate(image, each, order=1, mode="grid-constant", reshape=False), degrees
    )
    np.testing.assert_allclose(affine(IMAGES, degrees=degrees), expected, atol=1e-5)


def test_quarter_turns_are_numpys():
    square = IMAGES[:, :, :9]
    np.testing.assert_allclose(affine(square, degrees=np.full(6, 90.0)), np.rot90(square, axes=(1, 2)), atol=1e-5)


def test_scaling_turning_and_moving_is_one_affine_map():
    random = np.random.default_rng(2)
    factors, degrees, shifts = random.uniform(0.7, 1.4, 6), random.uniform(-30, 30, 6), random.uniform(-2, 2, (6, 2))
    centre = np.array([4.0, 5.5])

    def reference(image, factor, angle, move):
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        back = np.array([[cos, sin], [-sin, cos]]) / factor
        return ndimage.affine_transform(image, back, centre - back @ (centre + move), order=1, mode="grid-constant")

    expected = one_by_one(reference, factors, degrees, shifts)
    np.testing.assert_allclose(affine(IMAGES, factors=factors, degrees=degrees, shifts=shifts), expected, atol=1e-5)


def test_float64_images_are_resampled_in_float64():
    images, shifts = IMAGES.astype(np.float64), np.random.default_rng(1).uniform(-3, 3, (6, 2))
    with jax.enable_x64(True):
        moved = np.asarray(affine(images, shifts=shifts))
    pairs = zip(images, shifts, strict=True)
    expected = [ndimage.shift(image, each, order=1, mode="grid-constant") for image, each in pairs]
    assert moved.dtype == np.float64
    np.testing.assert_allclose(moved, expected, atol=1e-12)


def test_a_factor_above_one_enlarges():
    square = np.zeros((1, 9, 9), np.float32)
    square[:, 3:6, 3:6] = 1
    smaller, larger = (affine(square, factors=np.array([factor])).sum() for factor in (0.6, 1.5))
    assert smaller < 9 < larger


@pytest.mark.parametrize(
    ("shape", "image_shape", "dtype"),
    [(*layout, "float32") for layout in LAYOUTS]
    + [(*LAYOUTS[0], dtype) for dtype in ("float16", "uint8", "int32", "bool")],
)
def test_no_amount_gives_back_the_images_exactly(shape, image_shape, dtype):
    images = (255 * IMAGES).astype(dtype).reshape(shape)
    for same in (augment(images, key=KEY, image_shape=image_shape), affine(images, image_shape=image_shape)):
        assert (same.shape, same.dtype) == (images.shape, images.dtype)
        np.testing.assert_array_equal(same, images)


@pytest.mark.parametrize(("shape", "image_shape"), LAYOUTS)
def test_all_layouts_are_the_same_images(shape, image_shape):
    amounts = {"degrees": 30.0, "pixels": 1.5, "factors": (0.8, 1.2)}
    moved = augment(IMAGES.reshape(shape), key=KEY, image_shape=image_shape, **amounts).reshape(6, -1)
    channels = 3 if 3 in (shape[-1], (image_shape or shape)[-1]) else 1
    planes = IMAGES.reshape(6, 9, 12 // channels, channels)
    plane = augment(planes[..., -1], key=KEY, **amounts)
    np.testing.assert_allclose(moved.reshape(planes.shape)[..., -1], plane, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: translate(IMAGES, 2.0, key=key),
        lambda key: rotate(IMAGES, 20.0, key=key),
        lambda key: scale(IMAGES, (0.8, 1.2), key=key),
        lambda key: augment(IMAGES, key=key, pixels=1.0, degrees=10.0, factors=(0.9, 1.1)),
    ],
)
def test_the_key_decides(change):
    first, again, other = change(jax.random.key(1)), change(jax.random.key(1)), change(jax.random.key(2))
    assert (first == again).all()
    assert (first != other).any(axis=(1, 2)).all()
    assert (first != IMAGES).any(axis=(1, 2)).all()
    assert first.max() <= IMAGES.max() + 1e-6


def test_every_image_moves_by_its_own_amount_within_the_limits():
    dots = np.zeros((500, 15, 15), np.float32)
    dots[:, 7, 7] = 1
    moved = np.asarray(translate(dots, 3.0, key=KEY))
    rows = (moved.sum(2) * np.arange(15)).sum(1) - 7
    columns = (moved.sum(1) * np.arange(15)).sum(1) - 7
    for amounts in (rows, columns):
        assert np.abs(amounts).max() <= 3 + 1e-5
        assert abs(amounts.mean()) < 0.25  # three standard errors of U[-3, 3]
        assert abs(amounts.std() - np.sqrt(3)) < 0.15
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.15


def test_augment_works_inside_jit_with_traced_amounts():
    jitted = jax.jit(lambda key, images, pixels: augment(images, key=key, pixels=pixels, factors=(pixels, pixels)))
    np.testing.assert_allclose(
        jitted(KEY, IMAGES, 1.5), augment(IMAGES, key=KEY, pixels=1.5, factors=(1.5, 1.5)), atol=1e-6
    )


@settings(deadline=None, max_examples=12)
@given(dy=st.integers(-11, 11), dx=st.integers(-14, 14))
def test_whole_shifts_are_exact(dy, dx):
    moved = shift(IMAGES, dy, dx)
    expected = np.zeros_like(IMAGES)
    for row in range(9):
        for column in range(12):
            if 0 <= row - dy < 9 and 0 <= column - dx < 12:
                expected[:, row, column] = IMAGES[:, row - dy, column - dx]
    np.testing.assert_array_equal(moved, expected)
    np.testing.assert_allclose(affine(IMAGES, shifts=np.tile([float(dy), dx], (6, 1))), expected, atol=1e-6)


def test_nudged_digits_are_scikit_learns_example():
    batch = digits()
    five = nudge(batch, image_shape=(8, 8))
    assert five.inputs.shape == (5 * 1797, 64)
    np.testing.assert_array_equal(five.targets, np.tile(batch.targets, 5))
    windows = [np.zeros((3, 3)) for _ in range(5)]  # convolved with, as its `nudge_dataset` does
    for window, place in zip(windows, [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)], strict=True):
        window[place] = 1
    for block, window in enumerate(windows):
        image = np.asarray(batch.inputs[17]).reshape(8, 8)
        expected = ndimage.convolve(image, window, mode="constant")
        np.testing.assert_array_equal(five.inputs[block * 1797 + 17].reshape(8, 8), expected)


def test_nudge_takes_a_batch_with_a_target_for_each_image():
    with pytest.raises(ValueError, match=r"targets has shape \(5,\), expected \(6, …\)"):
        nudge(Batch(IMAGES, np.zeros(5)))
    with pytest.raises(TypeError, match="expected Batch"):
        nudge(IMAGES)


@pytest.mark.parametrize(
    "change", [lambda i, **o: augment(i, key=KEY, **o), affine, lambda i, **o: shift(i, 1, 0, **o)]
)
@pytest.mark.parametrize(
    ("images", "image_shape", "message"),
    [
        (np.ones((6, 64)), None, r"expected \(N, H, W\) or .* give image_shape"),
        (np.ones(64), None, r"expected \(N, H, W\)"),
        (np.ones(64), (8, 8), r"shape \(64,\), expected \(N, 64\)"),
        (np.ones((6, 64)), (8, 9), r"shape \(6, 64\), expected \(N, 72\)"),
        (np.ones((6, 64)), (64,), r"image_shape is \(64,\), expected \(H, W\)"),
        (np.ones((0, 8, 8)), None, "no pixels"),
        (np.full((1, 8, 8), np.nan), None, "NaN"),
    ],
)
def test_images_that_do_not_fit_are_refused(change, images, image_shape, message):
    with pytest.raises(ValueError, match=message):
        change(images, image_shape=image_shape)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pixels": -1.0}, ValueError, "pixels is -1.0"),
        ({"degrees": float("nan")}, ValueError, "degrees is nan"),
        ({"degrees": "15"}, TypeError, "degrees is '15'"),
        ({"factors": 1.1}, TypeError, r"factors is 1.1, expected \(low, high\)"),
        ({"factors": (0.0, 1.0)}, ValueError, r"factors\[0\] is 0.0"),
        ({"factors": (1.1, 0.9)}, ValueError, r"factors\[1\] is 0.9, expected a finite number >= 1.1"),
    ],
)
def test_bad_amounts_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        augment(IMAGES, key=KEY, **options)
    with pytest.raises(TypeError, match="expected one PRNG key"):
        augment(IMAGES, key=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shifts": np.ones((6, 1))}, r"shifts has shape \(6, 1\), expected \(6, 2\)"),
        ({"degrees": np.ones(5)}, r"degrees has shape \(5,\), expected \(6,\)"),
        ({"degrees": np.full(6, np.inf)}, "NaN or infinite"),
        ({"factors": np.array([1, 1, 1, 1, 1, 0.0])}, "factors are 0.0 at least"),
    ],
)
def test_amounts_that_are_not_one_for_each_image_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        affine(IMAGES, **options)


def test_shifts_are_whole_pixels():
    with pytest.raises(TypeError, match=r"dx is 0\.5"):
        shift(jnp.asarray(IMAGES), 1, 0.5)


def test_numbers_that_jax_or_float32_would_change_are_refused():
    large = np.full((1, 2, 2), 2**32 + 3)
    for call in (
        lambda: shift(large, 0, 1), lambda: translate(large, 1.0, key=KEY), lambda: nudge(Batch(large))
    ):  # fmt: skip
        with pytest.raises(ValueError, match="images holds whole numbers from 4294967299"):
            call()
    with pytest.raises(ValueError, match="whole numbers up to 16777217, expected at most 16777216, which float32"):
        translate(np.full((1, 2, 2), 2**24 + 1, np.int32), 0.0, key=KEY)
    with pytest.raises(ValueError, match=r"images holds numbers up to 1e\+300"):
        shift(np.full((1, 2, 2), 1e300), 0, 1)
    with pytest.raises(ValueError, match=r"nudge: batch.targets holds whole numbers from 4294967299"):
        nudge(Batch(np.ones((1, 2, 2)), np.array([2**32 + 3])))


def test_unlabelled_images_are_nudged():
    assert nudge(Batch(np.ones((2, 3, 3)))).targets is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: translate(x, 1e300, key=KEY), r"translate: pixels is as large as 1e\+300, expected at most 1e\+15"),
        (lambda x: rotate(x, 1e30, key=KEY), "rotate: degrees is as large as"),
        (lambda x: scale(x, (1, 1e300), key=KEY), r"scale: factors\[1\] is as large as"),
        (lambda x: scale(x, (1e-40, 1), key=KEY), r"scale: 1 / factors\[0\] is as large as"),
        (lambda x: affine(x, shifts=np.full((2, 2), 1e38)), "affine: shifts is as large as"),
        (lambda x: affine(x, factors=np.array([1e-20, 1])), "affine: 1 / factors is as large as"),
    ],
)
def test_amounts_at_which_float32_overflows_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 3, 3), np.float32))


@pytest.mark.parametrize(("function", "amount"), [(translate, 1.0), (rotate, 10.0), (scale, (0.9, 1.1))])
def test_messages_name_the_function_that_was_called(function, amount):
    for wrong in (np.ones((3, 64)), "pixels"):
        with pytest.raises((TypeError, ValueError), match=rf"^{function.__name__}: images"):
            function(wrong, amount, key=jax.random.key(0))
    with pytest.raises(TypeError, match=rf"^{function.__name__}: \w+"):
        function(np.ones((3, 8, 8)), "much", key=jax.random.key(0))
