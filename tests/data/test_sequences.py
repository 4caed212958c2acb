import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnnets.data import bucket, digits, digits_as_pixels, digits_as_rows, pad, unpad

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def ragged(lengths, features=3, seed=0):
    """Sequences of those lengths without a zero, so that padding can be told from what was there."""
    random = np.random.default_rng(seed)
    return [random.uniform(1, 2, (steps, features)).astype(np.float32) for steps in lengths]


def labels(lengths):
    return [np.arange(1, steps + 1) + 10 * i for i, steps in enumerate(lengths)]


@settings(deadline=None, max_examples=40)
@given(lengths=LENGTHS, spare=st.none() | st.integers(0, 3), features=st.integers(1, 3))
def test_unpad_undoes_pad(lengths, spare, features):
    sequences, length = ragged(lengths, features), None if spare is None else max(lengths) + spare
    batch = pad(sequences, labels(lengths), length)
    steps = length or max(lengths)
    assert batch.inputs.shape == (steps, len(lengths), features)
    assert batch.targets.shape == batch.mask.shape == (steps, len(lengths))
    assert np.asarray(batch.mask).sum(axis=0).tolist() == lengths
    for values, expected in ((batch.inputs, sequences), (batch.targets, labels(lengths))):
        for found, wanted in zip(unpad(values, batch.mask), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    padding = ~np.asarray(batch.mask)
    assert not np.asarray(batch.inputs)[padding].any()
    assert not np.asarray(batch.targets)[padding].any()
    # padded at the right: the mask never comes back once it has ended
    assert (np.diff(np.asarray(batch.mask).astype(int), axis=0) <= 0).all()


def test_floats_at_every_step_are_padded_with_zeros():
    answers = ragged((1, 3), 2, seed=1)
    batch = pad(ragged((1, 3)), answers)
    assert batch.targets.shape == (3, 2, 2)
    np.testing.assert_array_equal(batch.targets[:1, 0], answers[0])
    np.testing.assert_array_equal(batch.targets[:, 1], answers[1])
    assert not np.asarray(batch.targets[1:, 0]).any()


@pytest.mark.parametrize("targets", [np.array([4, 5]), [4, 5], [np.int64(4), 5], np.ones((2, 7), np.float32)])
def test_answers_of_sequences_stay_as_they_are(targets):
    batch = pad(ragged((1, 3)), targets)
    np.testing.assert_array_equal(batch.targets, targets)
    assert batch.targets.dtype == (np.float32 if np.ndim(targets) == 2 else np.int32)


def test_equal_lengths_have_a_mask_too():
    batch = pad(ragged((2, 2)), np.array([0, 1]))
    assert batch.mask.dtype == bool
    assert batch.mask.shape == (2, 2)
    assert bool(batch.mask.all())


def test_lists_and_jax_arrays_are_read_alike():
    sequences = ragged((2, 3))
    expected = pad(sequences, labels((2, 3)))
    for convert in (jnp.asarray, np.ndarray.tolist):
        batch = pad([convert(each) for each in sequences], [convert(each) for each in labels((2, 3))])
        for found, wanted in zip(batch[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert isinstance(found, jax.Array)


def test_precision(dtype):
    wide = [np.ones((2, 3)), np.ones((1, 3))]
    assert pad(wide, np.ones((2, 1))).inputs.dtype == dtype
    assert pad(wide, np.ones((2, 1))).targets.dtype == dtype
    assert pad([np.ones((2, 3), int)], np.ones((1, 1))).inputs.dtype == dtype
    assert pad(wide, [np.ones((2, 4), int), np.ones((1, 4), int)]).targets.dtype == dtype
    assert pad(ragged((2, 1)), np.array([1, 2])).inputs.dtype == np.float32
    assert pad(ragged((2, 1)), labels((2, 1))).targets.dtype == np.int32
    half = pad([jnp.ones((2, 3), jnp.bfloat16)], np.array([0]))
    assert half.inputs.dtype == jnp.bfloat16


@settings(deadline=None, max_examples=40)
@given(lengths=LENGTHS, bounds=st.sets(st.integers(1, 8), max_size=3), each_step=st.booleans())
def test_buckets_hold_every_sequence_once_and_in_order(lengths, bounds, each_step):
    bounds = [*sorted(bounds), 9]
    numbers = np.arange(len(lengths))
    sequences = [np.full((steps, 1), i, np.float32) for i, steps in enumerate(lengths)]
    targets = [np.full(steps, i) for i, steps in enumerate(lengths)] if each_step else numbers
    batches = bucket(sequences, targets, bounds)
    groups = [[i for i in numbers if low < lengths[i] <= high] for low, high in zip([0, *bounds], bounds, strict=False)]
    groups = [group for group in groups if group]
    assert len(batches) == len(groups)
    for batch, group in zip(batches, groups, strict=True):
        assert len(batch.inputs) == max(lengths[i] for i in group)
        answers = batch.targets[0] if each_step else batch.targets
        np.testing.assert_array_equal(batch.inputs[0, :, 0], group)
        np.testing.assert_array_equal(answers, group)
        assert [len(each) for each in unpad(batch.inputs, batch.mask)] == [lengths[i] for i in group]


def test_digits_are_read_row_by_row():
    images = np.asarray(digits().inputs)
    rows, pixels = digits_as_rows(), digits_as_pixels()
    for batch, shape in ((rows, (8, 1797, 8)), (pixels, (64, 1797, 1))):
        assert batch.inputs.shape == shape
        assert batch.inputs.dtype == np.float32
        assert batch.mask is None
        np.testing.assert_array_equal(batch.targets, digits().targets)
        np.testing.assert_array_equal(np.asarray(batch.inputs).swapaxes(0, 1).reshape(1797, 64), images)
    np.testing.assert_array_equal(rows.inputs[3, 5], images[5, 24:32])


@pytest.mark.parametrize(
    ("sequences", "targets", "error", "message"),
    [
        ([], [], ValueError, "pad: sequences is empty"),
        (np.ones((2, 3, 1)), np.array([0, 1]), TypeError, r"ndarray, expected a list .* list\(sequences\)"),
        ([np.ones((2, 1)), np.ones((0, 1))], np.array([0, 1]), ValueError, r"sequences\[1\] has shape \(0, 1\)"),
        ([np.ones((2, 1)), np.ones((2, 3))], np.array([0, 1]), ValueError, r"sequences\[1\] has 3 features and seq"),
        ([np.array([1, 2])], np.array([0]), ValueError, r"sequences\[0\] .* use fnnets.data.one_hot\(codes, size\)"),
        ([np.array([1.0, 2.0])], np.array([0]), ValueError, r"write sequence\[:, None\]"),
        ([np.ones((2, 2, 2))], np.array([0]), ValueError, "give each step its row"),
        ([[[1.0], [np.nan]]], np.array([0]), ValueError, r"sequences\[0\] holds 1 values that are NaN"),
        ([["a"]], np.array([0]), TypeError, r"sequences\[0\] has dtype"),
        (ragged((2, 3)), labels((2, 4)), ValueError, r"targets\[1\] has shape \(4,\) .* sequences\[1\] has 3 steps"),
        (ragged((2, 3)), ragged((1, 3)), ValueError, r"targets\[0\] .* sequences\[0\] has 2 steps"),
        (ragged((2, 3)), [np.ones(2), np.ones(3)], ValueError, r"targets\[0\] .* write target\[:, None\]"),
        (ragged((2, 3)), [np.array([1, 2]), np.ones((3, 1))], ValueError, r"targets\[1\] .* targets\[0\] has shape"),
        (ragged((2, 3)), [np.array([1, 2]), 3], ValueError, r"targets\[1\] has shape \(\)"),
        (ragged((2, 3)), labels((2, 3, 4)), ValueError, "targets holds 3, expected 2"),
        (ragged((2, 3)), np.ones(2), ValueError, r"floats \(2, d\) or integer labels \(2,\)"),
        (ragged((2, 3)), np.ones((2, 3), int), ValueError, "for an answer at every step give a list"),
        (ragged((2, 3)), np.ones((3, 1)), ValueError, r"shape \(3, 1\) .* for 2 sequences"),
        (ragged((2, 3)), np.array([[1.0], [np.inf]]), ValueError, "targets holds 1 values"),
        (ragged((2, 3)), [np.ones((2, 1)), np.full((3, 1), np.nan)], ValueError, r"targets\[1\] holds 3 values"),
    ],
)
def test_what_cannot_be_padded_is_refused(sequences, targets, error, message):
    with pytest.raises(error, match=message):
        pad(sequences, targets)
    with pytest.raises(error, match=message.removeprefix("pad: ")):
        bucket(sequences, targets, (10,))


def test_a_length_below_the_longest_is_refused():
    with pytest.raises(ValueError, match=r"pad: length is 3, but sequences\[1\] has 4 steps"):
        pad(ragged((1, 4, 2)), np.array([0, 1, 2]), length=3)
    with pytest.raises(TypeError, match=r"pad: length is 4\.0"):
        pad(ragged((1, 4)), np.array([0, 1]), length=4.0)


@pytest.mark.parametrize(
    ("boundaries", "error", "message"),
    [
        (
            (2, 3),
            ValueError,
            r"boundaries end with 3, but sequences\[1\] has 4 steps, expected .*; add a boundary of .* 4",
        ),
        ((4, 4), ValueError, "growing lengths"),
        ((5, 4), ValueError, "growing lengths"),
        ((0, 4), ValueError, r"boundaries\[0\] is 0"),
        ((2.5, 4), TypeError, r"boundaries\[0\] is 2.5"),
        ((), TypeError, "growing lengths"),
        (4, TypeError, "growing lengths"),
    ],
)
def test_bad_boundaries_are_refused(boundaries, error, message):
    with pytest.raises(error, match=message):
        bucket(ragged((1, 4, 2)), np.array([0, 1, 2]), boundaries)


def test_a_mask_of_something_else_is_refused():
    batch = pad(ragged((1, 4)), np.array([0, 1]))
    for mask in (batch.mask.T, batch.mask.astype(int), batch.mask[:, 0], np.ones((4, 3), bool)):
        with pytest.raises(ValueError, match=r"unpad: mask has shape .* give the mask of the same batch"):
            unpad(batch.inputs, mask)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([2**32 + 3, 1], r"pad: targets holds whole numbers from 1 to 4294967299, expected .* as int32 holds"),
        ([np.array([2**31, 0]), np.array([1])], r"pad: targets\[0\] holds whole numbers from 0 to 2147483648"),
        (np.array([2**63, 1], np.uint64), "holds whole numbers from 1 to 9223372036854775808"),
        (
            [np.array([[1e300], [0]]), np.array([[1.0]])],
            r"targets\[0\] holds numbers up to 1e\+300, expected at most 3",
        ),
    ],
)
@pytest.mark.parametrize("x64", [False, True])
def test_targets_that_jax_would_change_are_refused(labels, message, x64):
    sequences = [np.ones((2, 1)), np.ones((1, 1))]
    with jax.enable_x64(x64):
        if x64 and "1e" in message:
            assert float(pad(sequences, labels).targets[0, 0, 0]) == 1e300
            return
        with pytest.raises(ValueError, match=message):
            pad(sequences, labels)
        with pytest.raises(ValueError, match=message.replace("pad", "bucket")):
            bucket(sequences, labels, (2,))


def test_labels_of_several_integer_types_stay_labels():
    batch = pad([np.ones((1, 1))] * 2, [np.array([3], np.uint64), np.array([-1], np.int64)])
    assert batch.targets.dtype == np.int32
    assert batch.targets.tolist() == [[3, -1]]


def test_halves_of_both_kinds_are_padded_together():
    batch = pad([np.ones((1, 1), np.float16), np.full((1, 1), 3e38, jnp.bfloat16)], np.array([0, 1]))
    assert batch.inputs.dtype == np.float32
    np.testing.assert_allclose(batch.inputs.ravel(), [1, 3e38], rtol=1e-2)
