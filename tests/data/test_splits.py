import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnnets import Batch
from fnnets.data import bootstrap, bootstraps, digits, k_fold, split

KEY = jax.random.key(0)


def numbered(n, classes=3):
    """Each example is its own number, so that it can be followed."""
    return Batch(np.arange(n, dtype=np.float32)[:, None], np.arange(n) % classes)


def rows(batch):
    assert len(batch.inputs) == len(batch.targets)
    return np.asarray(batch.inputs)[:, 0].astype(int).tolist()


def follows(batch, classes=3):
    """Whether every target still belongs to its input."""
    return (np.asarray(batch.inputs)[:, 0].astype(int) % classes == np.asarray(batch.targets)).all()


@settings(deadline=None, max_examples=40)
@given(cuts=st.sets(st.integers(1, 29), min_size=1, max_size=4), seed=st.integers(0, 99), shuffled=st.booleans())
def test_split_is_a_partition_of_those_sizes(cuts, seed, shuffled):
    sizes = np.diff([0, *sorted(cuts), 30]).tolist()
    parts = split(numbered(30), sizes, key=jax.random.key(seed) if shuffled else None)
    assert [len(part.inputs) for part in parts] == sizes
    everything = [row for part in parts for row in rows(part)]
    assert sorted(everything) == list(range(30))
    assert shuffled or everything == sorted(everything)
    assert all(follows(part) for part in parts)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(7, 1000), weights=st.lists(st.integers(1, 3), min_size=2, max_size=3))
def test_fractions_lose_no_example(n, weights):
    fractions = [weight / sum(weights) for weight in weights]
    parts = split(numbered(n), fractions, key=None)
    assert sum(len(part.inputs) for part in parts) == n
    assert all(abs(len(part.inputs) - n * fraction) <= 1 for part, fraction in zip(parts, fractions, strict=True))


@pytest.mark.parametrize("parts", [(0.6, 0.2, 0.2), (60, 20, 20), (0.5, 0.5)])
def test_a_stratified_split_keeps_the_proportions(parts):
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    batch = Batch(np.arange(100.0)[:, None], labels)
    found = split(batch, parts, key=KEY, stratify=True)
    assert sorted(row for part in found for row in rows(part)) == list(range(100))
    for part in found:
        shares = np.bincount(part.targets, minlength=3) / len(part.targets)
        np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=1e-9)
        np.testing.assert_array_equal(labels[rows(part)], part.targets)


@settings(deadline=None, max_examples=40)
@given(n=st.sampled_from([3, 17]), data=st.data(), shuffled=st.booleans())
def test_every_example_validates_once(n, data, shuffled):
    k = data.draw(st.integers(2, n))
    pairs = list(k_fold(numbered(n), k, key=KEY if shuffled else None))
    assert len(pairs) == k
    assert sorted(row for _, validation in pairs for row in rows(validation)) == list(range(n))
    for train, validation in pairs:
        assert sorted(rows(train) + rows(validation)) == list(range(n))
        assert len(validation.inputs) in (n // k, -(-n // k))
        assert follows(train)
        assert follows(validation)


def test_stratified_folds_keep_the_proportions():
    batch = Batch(np.arange(60.0)[:, None], np.repeat([0, 1], [45, 15]))
    pairs = list(k_fold(batch, 5, key=KEY, stratify=True))
    assert sorted(row for _, validation in pairs for row in rows(validation)) == list(range(60))
    for train, validation in pairs:
        assert np.bincount(validation.targets).tolist() == [9, 3]
        assert np.bincount(train.targets).tolist() == [36, 12]


def test_the_bootstrap_draws_with_replacement_and_leaves_out_the_rest():
    in_bag, out_of_bag = bootstrap(numbered(2000), key=KEY)
    drawn, left = rows(in_bag), rows(out_of_bag)
    assert len(drawn) == 2000
    assert set(drawn) | set(left) == set(range(2000))
    assert not set(drawn) & set(left)
    assert abs(len(left) / 2000 - np.exp(-1)) < 0.03
    assert follows(in_bag)
    assert follows(out_of_bag)


@pytest.mark.parametrize(
    "draw",
    [
        lambda key: split(numbered(50), (0.5, 0.5), key=key),
        lambda key: split(numbered(50), (0.5, 0.5), key=key, stratify=True),
        lambda key: tuple(pair[1] for pair in k_fold(numbered(50), 3, key=key)),
        lambda key: tuple(pair[1] for pair in k_fold(numbered(50), 3, key=key, stratify=True)),
        lambda key: bootstrap(numbered(50), key=key),
    ],
)
def test_the_key_decides(draw):
    first, again, other = ([rows(part) for part in draw(jax.random.key(seed))] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_jax_arrays_and_images_are_split_as_they_are():
    batch = Batch(jnp.ones((6, 2, 2, 1)), jax.nn.one_hot(jnp.arange(6), 6), dataset_size=6)
    first, second = split(batch, (4, 2), key=KEY)
    assert first.inputs.shape == (4, 2, 2, 1)
    assert second.targets.shape == (2, 6)
    assert isinstance(first.inputs, jax.Array)
    assert first.dataset_size is None


def test_digits_half_against_half_reaches_the_published_accuracy():
    from sklearn.svm import SVC

    train, test = split(digits(), (898, 899), key=None)
    classifier = SVC(gamma=0.001).fit(np.asarray(train.inputs) * 16, train.targets)
    assert round(classifier.score(np.asarray(test.inputs) * 16, test.targets), 4) == 0.9689


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ((5, 4), ValueError, r"parts \(5, 4\) sum to 9, expected 10"),
        ((0.5, 0.4), ValueError, r"sum to 0\.9"),
        ((0.5, float("nan"), 0.5), ValueError, "sum to nan"),
        ((1.0, 0.0), ValueError, r"sizes \[10, 0\] of 10 examples, expected none empty"),
        ((0.99, 0.01), ValueError, "expected none empty"),
        ((11, -1), ValueError, "expected none empty"),
        ((10,), TypeError, "at least two"),
        (0.5, TypeError, "at least two"),
        (("5", "5"), TypeError, "all sizes"),
        ((True, True), TypeError, "all sizes"),
    ],
)
def test_parts_that_do_not_make_up_the_whole_are_refused(parts, error, message):
    with pytest.raises(error, match=message):
        split(numbered(10), parts, key=KEY)


@pytest.mark.parametrize("make", [lambda b, **o: split(b, (0.5, 0.5), **o), lambda b, **o: k_fold(b, 2, **o)])
def test_targets_that_are_no_labels_are_not_stratified(make):
    one_hot = Batch(np.ones((4, 1)), np.eye(2)[[0, 1, 0, 1]])
    with pytest.raises(ValueError, match=r"shape \(4, 2\) .* use targets.argmax\(-1\)"):
        make(one_hot, key=KEY, stratify=True)
    with pytest.raises(ValueError, match=r"use targets.astype\(int\)"):
        make(Batch(np.ones((4, 1)), np.ones(4)), key=KEY, stratify=True)
    with pytest.raises(ValueError, match=r"key is None and stratify True"):
        make(numbered(12), key=None, stratify=True)
    with pytest.raises(TypeError, match="expected one PRNG key"):
        make(numbered(12), key=0)


def test_classes_too_small_to_stratify_are_named():
    rare = Batch(np.ones((9, 1)), np.array([0] * 8 + [1]))
    with pytest.raises(ValueError, match=r"parts of sizes \[5, 4\] cannot be stratified .* stratify=False"):
        split(rare, (5, 4), key=KEY, stratify=True)
    with pytest.raises(ValueError, match=r"k is 2, but class 1 has 1 examples"):
        k_fold(rare, 2, key=KEY, stratify=True)


@pytest.mark.parametrize(
    "make", [lambda b: split(b, (0.5, 0.5), key=KEY), lambda b: k_fold(b, 2, key=KEY), lambda b: bootstrap(b, key=KEY)]
)
@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ((np.ones((4, 1)), np.ones(4)), TypeError, "expected Batch"),
        (Batch(np.ones((0, 1)), np.ones(0)), ValueError, "N >= 1"),
        (Batch(np.ones((4, 1)), np.ones(3)), ValueError, r"shape \(3,\), expected \(4, …\)"),
        (Batch(np.ones((4, 1)), np.ones(4), np.ones((1, 4))), ValueError, "mask is given"),
        (Batch([[1], [2, 3]], [0, 1]), TypeError, "rectangular"),
    ],
)
def test_bad_batches_are_refused_at_once(make, batch, error, message):
    with pytest.raises(error, match=message):
        make(batch)


@pytest.mark.parametrize(("k", "error"), [(1, ValueError), (11, ValueError), (2.0, TypeError), (True, TypeError)])
def test_a_bad_number_of_folds_is_refused_at_once(k, error):
    with pytest.raises(error, match="k_fold: k is"):
        k_fold(numbered(10), k, key=KEY)


def test_bootstraps_are_those_of_keys_folded_with_their_numbers():
    for i, pair in enumerate(bootstraps(numbered(9), 3, key=KEY)):
        assert [*map(rows, pair)] == [*map(rows, bootstrap(numbered(9), key=jax.random.fold_in(KEY, i)))]
    assert i == 2
    for count, error in ((0, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="bootstraps: count is"):
            bootstraps(numbered(9), count, key=KEY)


def test_a_bootstrap_that_leaves_nothing_out_is_refused():
    with pytest.raises(ValueError, match="1 examples and this key's resample holds all"):
        bootstrap(numbered(1), key=KEY)


def numbered_sequences(n, timed, masked=True):
    """Each sequence of 3 steps holds its own number, in inputs, targets and, in binary digits, in the mask."""
    numbers = np.arange(n)
    targets = np.tile(numbers, (3, 1)) if timed else numbers
    mask = (numbers[None] >> np.arange(3)[:, None]) % 2 == 1
    return Batch(np.tile(numbers[None, :, None], (3, 1, 2)).astype(np.float32), targets, mask if masked else None)


def sequence_rows(batch):
    numbers = np.asarray(batch.inputs)[0, :, 0].astype(int)
    assert (np.asarray(batch.inputs) == numbers[None, :, None]).all()
    assert (np.asarray(batch.targets) == numbers).all()
    if batch.mask is not None:
        assert (np.asarray(batch.mask) == ((numbers[None] >> np.arange(3)[:, None]) % 2 == 1)).all()
    return numbers.tolist()


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("key", [KEY, None])
def test_sequences_are_split_along_their_second_axis(timed, masked, key):
    batch = numbered_sequences(8, timed, masked)
    parts = split(batch, (5, 3), key=key, sequences=True)
    assert [part.inputs.shape for part in parts] == [(3, 5, 2), (3, 3, 2)]
    assert [part.targets.shape for part in parts] == ([(3, 5), (3, 3)] if timed else [(5,), (3,)])
    assert all((part.mask is not None) == masked for part in parts)
    assert sorted(row for part in parts for row in sequence_rows(part)) == list(range(8))
    folds = list(k_fold(batch, 3, key=key, sequences=True))
    assert sorted(row for _, validation in folds for row in sequence_rows(validation)) == list(range(8))
    assert all(sorted(sequence_rows(a) + sequence_rows(b)) == list(range(8)) for a, b in folds)
    in_bag, out_of_bag = bootstrap(batch, key=KEY, sequences=True)
    drawn, left = sequence_rows(in_bag), sequence_rows(out_of_bag)
    assert len(drawn) == 8
    assert sorted(set(drawn) | set(left)) == list(range(8))
    assert not set(drawn) & set(left)


def test_sequences_are_split_as_examples_are():
    examples, sequences = numbered(20), numbered_sequences(20, timed=True)
    for key in (KEY, None):
        found = split(sequences, (0.6, 0.4), key=key, sequences=True)
        assert [sequence_rows(part) for part in found] == [rows(part) for part in split(examples, (0.6, 0.4), key=key)]


def test_floats_at_every_step_and_of_sequences_are_told_apart():
    inputs = np.arange(12.0).reshape(3, 4, 1)
    stepwise, _ = split(Batch(inputs, 2 * inputs), (1, 3), key=KEY, sequences=True)
    np.testing.assert_array_equal(stepwise.targets, 2 * stepwise.inputs)
    once, _ = split(Batch(inputs, inputs[0]), (1, 3), key=KEY, sequences=True)
    np.testing.assert_array_equal(once.targets, once.inputs[0])


def test_sequences_are_stratified_by_their_labels():
    batch = Batch(np.ones((5, 30, 2)), np.repeat([0, 1], [20, 10]))
    for part in split(batch, (0.7, 0.3), key=KEY, stratify=True, sequences=True):
        assert np.mean(part.targets) == pytest.approx(1 / 3)
    for train, validation in k_fold(batch, 5, key=KEY, stratify=True, sequences=True):
        assert np.bincount(validation.targets).tolist() == [4, 2]
        assert train.inputs.shape == (5, 24, 2)
    with pytest.raises(ValueError, match=r"targets has shape \(3, 8\) .* integer labels \(N,\)"):
        split(numbered_sequences(8, timed=True), (4, 4), key=KEY, stratify=True, sequences=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda b: split(b, (0.5, 0.5), key=KEY, sequences=True),
        lambda b: k_fold(b, 2, key=KEY, sequences=True),
        lambda b: bootstrap(b, key=KEY, sequences=True),
    ],
)
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (Batch(np.ones(4), np.ones(4)), r"inputs has shape \(4,\), expected \(T, N, …\)"),
        (Batch(np.ones((3, 0, 1)), np.ones(0)), "T, N >= 1"),
        (Batch(np.ones((0, 3, 1)), np.ones(3)), "T, N >= 1"),
        (Batch(np.ones((3, 4, 1)), np.ones(3)), r"targets has shape \(3,\), expected \(4, …\) or \(3, 4, …\)"),
        (Batch(np.ones((3, 4, 1)), np.ones((3, 5))), r"targets has shape \(3, 5\)"),
        (
            Batch(np.ones((3, 4, 1)), np.ones(4), np.ones((4, 3), bool)),
            r"mask has shape \(4, 3\) and dtype bool, expected bool",
        ),
    ],
)
def test_bad_batches_of_sequences_are_refused_at_once(make, batch, message):
    with pytest.raises(ValueError, match=message):
        make(batch)


def test_a_mask_without_sequences_names_the_argument():
    with pytest.raises(ValueError, match=r"mask is given, expected None: .* give sequences=True"):
        split(numbered_sequences(8, timed=False), (4, 4), key=KEY)


def test_a_stratification_of_another_kind_is_refused():
    batch = Batch(jnp.ones((6, 2)), jnp.arange(6) % 2)
    with pytest.raises(TypeError, match="split: stratify is 'no' of type str, expected bool; write True or False"):
        split(batch, (0.5, 0.5), key=jax.random.key(0), stratify="no")


@pytest.mark.parametrize("sequences", [False, True])
def test_unlabelled_examples_are_taken_apart_as_labelled_ones(sequences):
    x = np.arange(40.0).reshape(2, 10, 2) if sequences else np.arange(20.0).reshape(10, 2)
    axis = int(sequences)
    plain, labelled = Batch(x), Batch(x, np.arange(10))

    def parts(batch):
        pairs = [bootstrap(batch, key=KEY, sequences=sequences), *bootstraps(batch, 2, key=KEY, sequences=sequences)]
        folds = list(k_fold(batch, 3, key=KEY, sequences=sequences))
        return [
            *split(batch, (6, 4), key=KEY, sequences=sequences),
            *(part for pair in [*pairs, *folds] for part in pair),
        ]

    for part, other in zip(parts(plain), parts(labelled), strict=True):
        assert part.targets is None
        np.testing.assert_array_equal(part.inputs, other.inputs)
        assert part.inputs.shape[axis] == len(other.targets)


def test_unlabelled_examples_cannot_be_stratified():
    with pytest.raises(ValueError, match=r"targets is None, expected integer labels \(N,\) to stratify by"):
        split(Batch(np.ones((4, 2))), (2, 2), key=KEY, stratify=True)


def test_sequences_without_the_word_for_it_are_pointed_to_it():
    batch = Batch(np.ones((5, 4, 2)), np.arange(4))
    for call in (lambda: split(batch, (2, 2), key=None), lambda: k_fold(batch, 2, key=None)):
        with pytest.raises(ValueError, match=r"give sequences=True .* if inputs of shape \(5, 4, 2\) are time-major"):
            call()


def test_rows_are_chosen_on_the_host_and_not_while_jax_traces():
    x = np.arange(12.0).reshape(6, 2)
    traced = jax.jit(lambda x: split(Batch(x), (4, 2), key=None)[1].inputs)(x)
    np.testing.assert_array_equal(traced, x[4:])
    for call in (lambda key: split(Batch(x), (4, 2), key=key), lambda key: bootstrap(Batch(x), key=key)):
        for chosen in (lambda key: key, lambda key: KEY):
            with pytest.raises(TypeError, match=r"key is used while JAX traces, expected .* call outside jit"):
                jax.jit(lambda key, call=call, chosen=chosen: call(chosen(key)))(KEY)


def test_a_mask_of_floats_is_refused():
    with pytest.raises(ValueError, match=r"mask has shape \(3, 4\) and dtype float64, expected bool of shape \(3, 4\)"):
        split(Batch(np.ones((3, 4, 2)), np.arange(4), np.ones((3, 4))), (2, 2), key=None, sequences=True)


@pytest.mark.parametrize("targets", [np.zeros((6, 4), int), np.zeros((6, 4, 2))])
def test_a_target_for_each_step_is_not_split_along_time_unasked(targets):
    batch = Batch(np.zeros((6, 4, 3)), targets)
    calls = [
        lambda **how: split(batch, (0.5, 0.5), key=KEY, **how)[0],
        lambda **how: next(iter(k_fold(batch, 2, key=KEY, **how)))[1],
        lambda **how: bootstrap(batch, key=KEY, **how)[0],
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"batch has inputs of shape .*; write sequences=True for these"):
            call()
        along_time, along_examples = call(sequences=False), call(sequences=True)
        assert along_time.inputs.shape[1:] == (4, 3)
        assert len(along_examples.inputs) == len(along_examples.targets) == 6
