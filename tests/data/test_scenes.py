"""What lies in a frame is a digit of its class, what lies elsewhere is none; no program is compiled for it."""

import jax
import numpy as np
import pytest

from fnnets import Batch
from fnnets.data import crops, scenes
from fnnets.data.resizing import resized
from fnnets.data.scenes import Scenes
from fnnets.detection.boxes import overlaps

KEY, OTHER = jax.random.key(0), jax.random.key(1)
RANDOM = np.random.default_rng(0)
DIGITS = Batch(RANDOM.random((12, 7, 7), np.float32), np.arange(12) % 5)


def contents(found):
    """Each object's part of its scene, its class, and the place of its frame."""
    for image, edges, classes in zip(found.images[..., 0], found.edges, found.classes, strict=True):
        for (top, left, bottom, right), label in zip(edges, classes, strict=True):
            yield image[top:bottom, left:right], label


@pytest.mark.parametrize("fragments", [0, 30])
def test_frames_hold_a_digit_of_their_class_and_nothing_else(fragments):
    found = scenes(DIGITS, 3, key=KEY, shape=(60, 70), objects=4, sizes=(5, 21), fragments=fragments)
    assert found.images.shape == (3, 60, 70, 1)
    assert found.images.dtype == np.float32
    sides = [part.shape[0] for part, _ in contents(found)]
    assert len(sides) == 12
    assert 5 <= min(sides) < 7 < max(sides) <= 21
    for part, label in contents(found):
        assert part.shape[0] == part.shape[1]
        candidates = [resized(image, part.shape) for image in DIGITS.inputs[DIGITS.targets == label]]
        assert any(np.array_equal(part, each) for each in candidates)


def test_frames_do_not_overlap_and_clutter_lies_outside_of_them():
    found = scenes(DIGITS, 3, key=KEY, shape=(60, 60), fragments=30, sizes=(10, 20))
    bare = scenes(DIGITS, 3, key=KEY, shape=(60, 60), fragments=0, sizes=(10, 20))
    for edges in found.edges:
        assert not np.triu(overlaps(edges, edges), 1).any()
    for clean, image, edges in ((i, j, e) for i, j, e in zip(bare.images, found.images, bare.edges, strict=True)):
        outside = np.ones(clean.shape[:2], bool)
        for top, left, bottom, right in edges:
            outside[top:bottom, left:right] = False
        assert not clean[outside].any()
        assert image.any()
    # the first scene is drawn before any fragment changes the generator's course
    assert np.array_equal(found.edges[0], bare.edges[0])
    assert np.count_nonzero(found.images[0]) > 1.2 * np.count_nonzero(bare.images[0])


def test_scenes_and_crops_follow_from_the_key():
    first, again, other = (scenes(DIGITS, 2, key=key) for key in (KEY, KEY, OTHER))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.images, other.images)
    raw = scenes(DIGITS, 2, key=jax.random.key_data(KEY))  # a key of the older kind
    assert np.array_equal(first.images, raw.images)
    some, same, others = (crops(first, 8, key=key, background=5) for key in (KEY, KEY, OTHER))
    assert np.array_equal(some.inputs, same.inputs)
    assert not np.array_equal(some.inputs, others.inputs)


def test_flat_images_and_images_with_a_channel_are_read_alike():
    layouts = [DIGITS.inputs, DIGITS.inputs.reshape(12, 49), DIGITS.inputs[..., None]]
    first, *others = [scenes(Batch(images, DIGITS.targets), 1, key=KEY).images for images in layouts]
    assert all(np.array_equal(first, each) for each in others)


@pytest.mark.parametrize("shape", [(14, 5), (7, 10), (3, 3)])
def test_resizing_is_jaxs(shape):
    image = DIGITS.inputs[0]
    expected = jax.image.resize(image, shape, "linear", antialias=True)
    np.testing.assert_allclose(resized(image, shape), expected, atol=1e-6)


def test_crops_of_objects_without_jitter_are_the_objects():
    found = scenes(DIGITS, 2, key=KEY, objects=3)
    batch = crops(found, 9, key=OTHER, background=7, per_object=2, per_scene=3, shift=0.0, zoom=1.0)
    assert batch.inputs.shape == (2 * (2 * 3 + 3), 9, 9, 1)
    assert batch.targets.tolist() == [*np.repeat(found.classes.ravel(), 2).tolist(), *[7] * 6]
    expected = [resized(part, (9, 9)) for part, _ in contents(found)]
    np.testing.assert_allclose(batch.inputs[:12:2, ..., 0], expected, atol=1e-6)


def test_where_crops_are_cut():
    """Images whose pixels tell their row, or their column, show where each crop came from."""
    found = scenes(DIGITS, 4, key=KEY)
    rows, columns = np.meshgrid(np.arange(96.0), np.arange(96.0), indexing="ij")
    ramps = [Scenes(np.tile(ramp[None, ..., None], (4, 1, 1, 1)), *found[1:]) for ramp in (rows, columns)]
    parts = [crops(ramp, 8, key=OTHER, background=9, per_scene=20).inputs[..., 0] for ramp in ramps]
    side = 8 * (parts[0][:, 4, 0] - parts[0][:, 3, 0])
    centre = np.stack([part.mean(axis=(1, 2)) + 0.5 for part in parts], axis=1)
    places = np.concatenate([centre - side[:, None] / 2, centre + side[:, None] / 2], axis=1)
    objects = overlaps(places[:16], found.edges.reshape(-1, 4)).diagonal()
    assert 0.6 < objects.min() < 0.95
    elsewhere = [overlaps(places[16:][20 * i : 20 * (i + 1)], edges).max(axis=1) for i, edges in enumerate(found.edges)]
    assert 0.3 < np.max(elsewhere) < 0.46
    assert np.min(elsewhere) == 0.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"digits": Batch(np.ones((3, 7, 6)), np.zeros(3, int))}, ValueError, r"shape \(3, 7, 6\), expected square"),
        ({"digits": Batch(np.ones((3, 49)), np.ones((3, 2)))}, ValueError, "expected an integer label for each"),
        ({"digits": np.ones((3, 49))}, TypeError, "scenes: digits"),
        ({"key": 0}, TypeError, "scenes: key is 0"),
        ({"count": 0}, ValueError, "scenes: count is 0"),
        ({"objects": 30}, ValueError, "30 objects of 16 to 32 pixels find no room in a shape of 96 x 96"),
        ({"sizes": (100, 100)}, ValueError, "find no room"),
        ({"sizes": (32, 16)}, ValueError, r"sizes\[1\] is 16"),
    ],
)
def test_scenes_that_cannot_be_made_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        scenes(**{"key": KEY, "digits": DIGITS, "count": 1} | change)


def test_a_scene_without_background_is_refused():
    corners = [(y, x, side) for side in range(2, 9) for y in range(9 - side) for x in range(9 - side)]
    everywhere = np.array([[[y, x, y + side, x + side] for y, x, side in corners]])
    full = Scenes(np.ones((1, 8, 8, 1)), everywhere, np.zeros((1, len(corners)), int))
    with pytest.raises(ValueError, match="crops: no background in a scene of 8 x 8"):
        crops(full, 8, key=KEY, background=9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": np.zeros((1, 2, 3), int)}, r"has images of shape .* edges \(1, 2, 3\) .* expected \(S, H, W, 1\)"),
        ({"edges": np.zeros((1, 2, 4))}, "has edges of float64"),
        ({"images": np.full((1, 9, 9, 1), np.nan)}, "scenes.images holds 81 values"),
        ({"classes": None}, "scenes.classes is None"),
    ],
)
def test_scenes_that_do_not_belong_together_are_refused(change, message):
    good = Scenes(np.ones((1, 9, 9, 1)), np.array([[[0, 0, 3, 3], [4, 4, 8, 8]]]), np.array([[0, 1]]))
    with pytest.raises((TypeError, ValueError), match=message):
        crops(good._replace(**change), 4, key=KEY, background=10)


def test_a_background_that_int32_does_not_hold_is_refused():
    good = Scenes(np.ones((1, 9, 9, 1)), np.array([[[0, 0, 3, 3]]]), np.array([[0]]))
    with pytest.raises(ValueError, match="crops: background holds whole numbers from 4294967296"):
        crops(good, 4, key=KEY, background=2**32)


def test_a_shift_beyond_the_side_is_refused():
    good = Scenes(np.ones((1, 9, 9, 1)), np.array([[[0, 0, 3, 3]]]), np.array([[0]]))
    with pytest.raises(ValueError, match=r"crops: shift is 2.0, expected at most 1"):
        crops(good, 4, key=KEY, background=10, shift=2.0)
