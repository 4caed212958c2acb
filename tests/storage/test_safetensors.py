"""Parameters in a safetensors file: bit for bit, named by their paths, and what is refused."""

import os
import stat

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy

import fnnets as fn
from fnnets.storage import safetensors as storage_safetensors
from fnnets.storage.errors import DataError, DataNotFoundError

KEY = jax.random.key(11)
SOFTMAX = fn.objectives.softmax_log_likelihood
NET = fn.feedforward([4, 5, 3], objective=SOFTMAX)
NETWORKS = {
    "feedforward": NET,
    "one layer": fn.network(fn.layers.dense(2), fn.objectives.linear_squared_error, (3,)),
    "convolutional": fn.convolutional((8, 8, 1), "conv3-4 maxpool2 | fc-3", fn.activations.relu, objective=SOFTMAX),
    "lstm": fn.recurrent([2, 4, 3], "lstm", objective=SOFTMAX),
    "rbm": fn.rbm(6, 4),
    "without parameters": fn.network(fn.layers.flatten(), fn.objectives.linear_squared_error, (2, 2)),
}


def bits(array):
    return np.asarray(array).tobytes()


def save(tmp_path, params, about=None):
    return storage_safetensors.save(params, tmp_path / "net.safetensors", about)


def assert_same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)  # of NamedTuples it holds the types
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert isinstance(a, jax.Array)
        assert (a.dtype, a.shape, bits(a)) == (b.dtype, b.shape, bits(b))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_saved_comes_back(tmp_path, name):
    params = NETWORKS[name].init(KEY)
    assert_same(storage_safetensors.load(save(tmp_path, params), NETWORKS[name]), params)


@pytest.mark.parametrize("kind", ["float64", "float32", "bfloat16", "float16", "int32", "bool"])
def test_every_dtype_comes_back_bit_for_bit(tmp_path, kind):
    """NaN, infinities, negative zero and numbers below the normal ones included."""
    with jax.enable_x64(kind == "float64"):
        values = np.array([1 / 3, -0.0, np.inf, np.nan, 1e-40, 1e-7, 7.0])
        values = values if "float" in kind else np.array([0.0, 1.0, 7.0])
        params = {"w": jnp.asarray(values.astype(jnp.dtype(kind))), "none": jnp.zeros((0, 3), kind)}
        params["scalar"] = params["w"][0]
        path = save(tmp_path, params)
        assert_same(storage_safetensors.load(path, params), params)
        assert_same(storage_safetensors.load(path, jax.eval_shape(lambda: params)), params)


def test_names_are_paths_and_other_programs_read_them(tmp_path):
    params = NET.init(KEY)
    read = safetensors.numpy.load_file(save(tmp_path, params, {"accuracy": "0.97"}))
    assert sorted(read) == ["0.biases", "0.weights", "1.biases", "1.weights"]
    np.testing.assert_array_equal(read["1.weights"], params[1].weights)


def test_memory_that_lies_in_another_order_is_written_in_rows(tmp_path):
    """The format writes memory as it lies: a transposed array would come back scrambled."""
    turned = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(storage_safetensors.load(save(tmp_path, [turned]), [turned])[0], turned)


def test_trained_parameters_predict_the_same(tmp_path):
    train = fn.Batch(jax.random.normal(KEY, (20, 4)), jnp.arange(20) % 3)
    params = fn.fit(NET, fn.training.momentum(0.1), train, key=KEY, epochs=1, progress=False).params
    again = storage_safetensors.load(save(tmp_path, params), NET)
    assert bits(NET.predict(again, train.inputs)) == bits(NET.predict(params, train.inputs))


def test_notes_come_back(tmp_path):
    notes = {"accuracy": "0.97", "größe": "ε = 1e-3"}
    path = save(tmp_path, NET.init(KEY), notes)
    assert storage_safetensors.about(path) == notes
    assert storage_safetensors.about(save(tmp_path, NET.init(KEY))) == {}


def test_a_file_is_replaced_whole_and_others_may_read_it(tmp_path, monkeypatch):
    path = save(tmp_path / "new" / "folder", NET.init(KEY))
    before = path.read_bytes()
    (tmp_path / "ordinary").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "ordinary").stat().st_mode)

    def fails(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="No space left"):
        storage_safetensors.save(jax.tree.map(jnp.zeros_like, NET.init(KEY)), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("change", ["empty", "text", "cut short", "folder"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, change):
    path = save(tmp_path, NET.init(KEY))
    content = {"empty": b"", "text": b"no tensors here " * 20, "cut short": path.read_bytes()[:-3]}.get(change)
    path = path if content is not None else tmp_path
    if content is not None:
        path.write_bytes(content)
    for read in (lambda: storage_safetensors.load(path, NET), lambda: storage_safetensors.about(path)):
        with pytest.raises(DataError, match=r"no whole safetensors file|a folder, expected a file") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(
        DataNotFoundError, match=r"load: path is .*none\.safetensors, expected a file, but there is none"
    ):
        storage_safetensors.load(tmp_path / "none.safetensors", NET)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (fn.feedforward([4, 6, 3], objective=SOFTMAX), r"'0\.weights' of shape \(5, 4\), expected \(6, 4\)"),
        (fn.feedforward([4, 5, 3, 3], objective=SOFTMAX), r"holds no '2\.weights' but 0\.biases, 0\.weights, 1\.b"),
        (fn.feedforward([4, 5], objective=SOFTMAX), r"'1\.biases' of shape \(3,\), expected no such name"),
        (jax.tree.map(lambda w: w.astype("bfloat16"), NET.init(KEY)), r"'0\.weights' in float32, expected bfloat16"),
    ],
)
def test_the_first_path_that_differs_is_named(tmp_path, net, message):
    with pytest.raises(DataError, match=message):
        storage_safetensors.load(save(tmp_path, NET.init(KEY)), net)


def test_64_bits_are_never_narrowed(tmp_path):
    with jax.enable_x64(True):
        path = save(tmp_path, NET.init(KEY))
    for net in (NET, {"0": {"weights": np.ones((5, 4))}}):
        with pytest.raises(DataError, match=r"'0\.weights' in 64 bits \(F64\), expected 32"):
            storage_safetensors.load(path, net)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"a": 0.5}, TypeError, "has float at 'a', expected an array of numbers"),
        ({"a": np.array(["x"])}, TypeError, "has <U1 at 'a', expected an array of numbers"),
        ({"key": KEY}, TypeError, r"has key<\w+> at 'key', expected an array"),
        ({"a": jax.ShapeDtypeStruct((2,), "float32")}, TypeError, "no values at 'a'"),
        ({"a.b": np.ones(1), "a": {"b": np.ones(1)}}, ValueError, r"two leaves named 'a\.b'"),
        ({"__metadata__": np.ones(1)}, ValueError, "a leaf named '__metadata__'"),
    ],
)
def test_what_has_no_place_in_a_file_is_refused(tmp_path, params, error, message):
    with pytest.raises(error, match=message):
        save(tmp_path, params)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("notes", [{"epochs": 3}, {3: "epochs"}, ["epochs"]])
def test_notes_are_texts(tmp_path, notes):
    with pytest.raises(TypeError, match="expected a dict of str to str"):
        save(tmp_path, NET.init(KEY), notes)


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    monkeypatch.delitem(__import__("sys").modules, "safetensors.numpy")
    with pytest.raises(ImportError, match=r"pip install fnnets\[checkpoint\]"):
        save(tmp_path, NET.init(KEY))


def test_what_holds_parameters_is_told_from_them(tmp_path):
    net = fn.feedforward([2, 2], objective=fn.objectives.linear_squared_error)
    batch = fn.Batch(np.ones((4, 2), np.float32), np.ones((4, 2), np.float32))
    result = fn.fit(net, optax.sgd(0.1), batch, key=KEY, epochs=1, batch_size=4, progress=False)
    path = tmp_path / "net.safetensors"
    with pytest.raises(TypeError, match=r"; give its field params"):
        storage_safetensors.save(result, path)
    with pytest.raises(TypeError, match=r"; give parameters, as result\.params"):
        storage_safetensors.save(net, path)
    with pytest.raises(TypeError, match=r"net is the path .*; write load\(path, net\)"):
        storage_safetensors.load(net, path)
    with pytest.raises(TypeError, match=r"path is of type tuple, expected a path") as caught:
        storage_safetensors.save(path, result.params)
    assert "\n" not in str(caught.value)
