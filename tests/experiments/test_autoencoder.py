import contextlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from experiments import autoencoder, autoencoders
from experiments.__main__ import main
from experiments.autoencoder import Options, Run
from experiments.autoencoders import Images, Schedule
from fnnets.data import DataError

TINY = {"seeds": (3,), "sizes": (6, 2), "pretraining_epochs": 1, "epochs": 4, "batch_size": 449, "every": 2}
WORDS = ["--seeds=3", "--sizes", "6", "2", "--pretraining-epochs=1", "--epochs=4", "--batch-size=449", "--every=2"]


@pytest.fixture(autouse=True)
def no_data(monkeypatch, standard_promotion):
    monkeypatch.delenv("FNNETS_DATA", raising=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The results folder of a long schedule that nothing interrupted; what was printed is in said.txt."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch, jax.numpy_dtype_promotion("standard"):
        patch.delenv("FNNETS_DATA", raising=False)
        with (folder / "said.txt").open("w") as said, contextlib.redirect_stdout(said):
            autoencoder.run(Options(out=folder, full=True, **TINY))
    return folder


def trained(folder, full=True):
    images = autoencoders.load()
    schedule = Schedule(*(TINY.get(name, 2e-3) for name in Schedule._fields))
    net = autoencoders.network(images, schedule.sizes)
    return autoencoder.train(net, images, schedule, 3, Options(out=folder, full=full, **TINY))


def state_of(folder):
    return folder / "autoencoder" / "state-digits-seed-3.npz"


def stored(folder):
    with np.load(state_of(folder)) as found:
        return {name: found[name] for name in found.files}


def test_the_long_schedule_is_measured_and_written(finished):
    content = json.loads((finished / "autoencoder" / "autoencoder-digits-full.json").read_text())
    assert content["command"] == (
        "python -m experiments autoencoder --sizes 6 2 --pretraining-epochs 1 --epochs 4 --batch-size 449 --full "
        "--every 2 --seeds 3"
    )
    figures = {figure["name"]: figure for figure in content["figures"]}
    # PCA's error by its definition: what the leading eigenvectors of the covariance leave over
    x, test = (np.asarray(part, np.float64) for part in np.split(fn.data.digits().inputs, [898]))
    u = np.linalg.eigh(np.cov(x.T))[1][:, -2:]
    left = (test - x.mean(0)) - (test - x.mean(0)) @ u @ u.T
    pca = figures["squared error of a test image, PCA with 2 components"]
    assert pca["mean"] == pytest.approx((left**2).sum(1).mean(), rel=1e-4)
    assert figures["parameters"]["mean"] == 64 * 6 + 6 + 6 * 2 + 2 + 2 * 6 + 6 + 6 * 64 + 64
    own = figures["squared error of a test image, autoencoder"]
    assert figures["the autoencoder's minus PCA's"]["mean"] == pytest.approx(own["mean"] - pca["mean"], rel=1e-4)
    assert content["curves"]["epochs"] == [0, 2, 4]
    assert content["curves"]["errors"][0][-1][1] == pytest.approx(own["mean"], rel=1e-5)
    said = (finished / "said.txt").read_text()
    assert "PCA, 2 components: squared error of a test image 3.50" in said
    assert "autoencoder, 64-6-2: 870 parameters" in said
    for picture in ("learning", "reconstructions"):
        assert (finished / "autoencoder" / f"autoencoder-digits-full-{picture}.png").exists()


def test_the_short_schedule_keeps_no_state(tmp_path, finished):
    run = trained(tmp_path, full=False)
    assert not list(tmp_path.iterdir())
    assert run.epochs == [0, 2, 4]
    assert run.errors == json.loads(str(stored(finished)["about"]))["errors"]


def test_an_interrupted_long_schedule_goes_on_bit_for_bit(tmp_path, finished, monkeypatch, capsys):
    fit, epochs = fn.training.fit, []

    def interrupted(*arguments, **how):
        """As after Ctrl-C in the third epoch."""
        epochs.append(how["epochs"])
        if len(epochs) < 2:
            return fit(*arguments, **how)
        return fit(*arguments, **{**how, "epochs": 1})._replace(stopped="interrupted after epoch 3")

    monkeypatch.setattr(fn.training, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path)
    assert "stopped after epoch 3, written to" in capsys.readouterr().out

    def rest(*arguments, **how):
        epochs.append(how["epochs"])
        return fit(*arguments, **how)

    monkeypatch.setattr(fn.training, "fit", rest)
    trained(tmp_path)
    assert epochs == [2, 2, 1]
    assert "goes on after epoch 3" in capsys.readouterr().out
    whole, resumed = stored(finished), stored(tmp_path)
    about = [json.loads(str(each.pop("about"))) for each in (whole, resumed)]
    assert all(each.pop("seconds") > 0 for each in about)
    assert about[0] == about[1]  # settings, measured epochs, errors
    assert whole.keys() == resumed.keys()
    for name, array in whole.items():
        assert array.tobytes() == resumed[name].tobytes()


def test_a_finished_long_schedule_is_not_trained_again(finished, monkeypatch, capsys):
    monkeypatch.setattr(fn.training, "fit", None)
    assert trained(finished).epochs == [0, 2, 4]
    assert "goes on after epoch 4" in capsys.readouterr().out


def test_a_state_of_other_settings_is_refused_in_one_line(finished, capsys):
    words = ["--epochs=9" if word == "--epochs=4" else word for word in WORDS]
    assert main(["autoencoder", *words, "--full", "--out", str(finished)]) == 2
    heard = capsys.readouterr()
    assert heard.err.count("\n") == 1
    assert "state-digits-seed-3.npz is of other settings: epochs is 4 there and 9 now" in heard.err


def test_a_damaged_state_is_refused_in_one_line(tmp_path, capsys):
    path = state_of(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    assert main(["autoencoder", *WORDS, "--full", "--out", str(tmp_path)]) == 2
    heard = capsys.readouterr()
    assert heard.err.count("\n") == 1
    assert "state-digits-seed-3.npz is damaged" in heard.err
    assert path.read_bytes() == b"half a file"


@pytest.fixture(scope="module")
def small():
    return fn.autoencoder([5, 2]), optax.sgd(0.1)


def written(path, small, settings):
    net, optimizer = small
    state = fn.training.start(net, optimizer, jax.random.key(1))
    autoencoders.save_state(path, state, {"settings": settings, "more": 0.1})
    return state


def test_a_state_is_read_as_it_was_written(tmp_path, small):
    state = written(tmp_path / "state.npz", small, {"sizes": (2,)})
    found, about = autoencoders.read_state(tmp_path / "state.npz", *small, {"sizes": (2,)})
    assert about == {"settings": {"sizes": [2]}, "more": 0.1}
    assert jax.tree.structure(found) == jax.tree.structure(state)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(state), strict=True):
        assert one.dtype == other.dtype
        assert bool(jnp.all(one == other))
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def flipped(content):
    place = content.index(b"arr_0.npy") + 200  # within the first array
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:-40], lambda content: content[:300], flipped],
    ids=["empty", "no end", "a beginning", "one bit"],
)
def test_every_damage_is_found(tmp_path, small, damage):
    path = tmp_path / "state.npz"
    written(path, small, {})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"state.npz is damaged .*; remove it to begin afresh"):
        autoencoders.read_state(path, *small, {})


def test_files_of_something_else_are_found(tmp_path, small):
    path = tmp_path / "state.npz"
    np.savez(path, np.ones(3))
    with pytest.raises(DataError, match="is damaged"):
        autoencoders.read_state(path, *small, {})
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(DataError, match="is damaged"):
        autoencoders.read_state(path, *small, {})
    written(path, (fn.autoencoder([5, 3]), small[1]), {})
    with pytest.raises(DataError, match="arrays are of another network"):
        autoencoders.read_state(path, *small, {})


def test_divergence_is_said_and_nothing_written(tmp_path):
    options = Options(out=tmp_path, learning_rate=1e38, **TINY)
    with pytest.warns(RuntimeWarning), pytest.raises(ValueError, match=r"seed 3: .* in epoch 1.*smaller learning rate"):
        autoencoder.run(options)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch-size", "899"], "batch_size is 899, expected at most the 898 training images"),
        (["--sizes", "80", "65"], "sizes end with a code of 65, expected at most the 64 pixels"),
        (["--sizes", "8", "0"], "sizes[1] is 0"),
        (["--every", "0"], "every is 0"),
        (["--epochs", "-1"], "epochs is -1"),
        (["--learning-rate", "0.0"], "learning_rate is 0.0"),
        (["--seeds", "1", "1"], "seeds are (1, 1)"),
        (["--data-dir", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(arguments, said, capsys):
    assert main(["autoencoder", *arguments]) == 2
    heard = capsys.readouterr()
    assert heard.out == ""
    assert heard.err.count("\n") == 1
    assert said in heard.err


def test_published_figures_stand_beside_the_published_network_alone():
    x = np.zeros((2, 784))
    images, schedule = Images("MNIST", x, x, x, x), autoencoder.SCHEDULES["MNIST"]
    net = autoencoders.network(images, schedule.sizes)
    run = Run(None, [0, 40], [[20.0, 21.0], [4.0, 4.5]], 1.0)
    own, pca, minus, before, training, parameters = autoencoder.figures(net, images, schedule, [run, run], 13.866)
    assert (own.published, own.values, own.verdict) == (3.0, (4.5, 4.5), "reached")
    assert (pca.published, pca.verdict) == (13.87, "reached")
    assert autoencoder.figures(net, images, schedule, [run], 13.876)[1].verdict == "missed"
    assert minus.values[0] == pytest.approx(4.5 - 13.866)
    assert (before.values[0], training.values[0]) == (21.0, 4.0)
    assert (parameters.published, parameters.verdict) == (2_837_314, "reached")
    smaller = schedule._replace(sizes=(30,))
    others = autoencoder.figures(autoencoders.network(images, (30,)), images, smaller, [run], 13.866)
    assert [figure.published for figure in others] == [None] * 6


def test_all_training_images_of_mnist_train_with_pixels_up_to_1(bars, monkeypatch):
    images = autoencoders.load(bars)
    assert (images.name, images.train.shape, images.test.shape) == ("MNIST", (10_100, 784), (200, 784))
    assert (len(images.judged), len(images.labels), len(images.test_labels)) == (10_000, 10_100, 200)
    assert float(images.train.max()) == 1.0
    monkeypatch.setenv("FNNETS_DATA", str(bars))
    assert autoencoders.load().name == "MNIST"
    monkeypatch.delenv("FNNETS_DATA")
    assert [len(part) for part in autoencoders.load()[1:]] == [898, 899, 898, 899]


def test_machines_are_trained_as_published():
    machines, optimizers = autoencoders.stack((6, 4, 3, 2), 40, 2)
    assert [net.l2 for net in machines] == [40 * 2e-4] * 3
    assert [net.family.hidden.name for net in machines] == ["binary", "binary", "gaussian"]
    params, v = machines[0].init(jax.random.key(0)), jnp.ones((3, 6))
    batch, _ = machines[0].sampler.draw(params, (), fn.Batch(v), jax.random.key(1))
    assert bool(jnp.all((batch.targets > 0.3) & (batch.targets < 0.7)))  # means, as weights are near 0, and no samples
    for optimizer, rate in zip(optimizers, (0.1, 0.1, 0.001), strict=True):
        state, velocity = optimizer.init(jnp.zeros(())), 0.0
        for step in range(12):  # of 2 an epoch: the momentum rises after 10
            update, state = optimizer.update(jnp.ones(()), state)
            velocity = (0.5 if step < 10 else 0.9) * velocity - rate
            assert float(update) == pytest.approx(velocity, rel=1e-5)


def test_a_pretrained_autoencoder_is_the_stack_of_its_machines(finished):
    images = autoencoders.load()
    schedule = Schedule(*(TINY.get(name, 1.0) for name in Schedule._fields))
    net = autoencoders.network(images, schedule.sizes)
    (first, code), (again, last) = autoencoders.pretrained(net, images.train, jax.random.key(1), schedule)
    assert np.array_equal(first.weights.T, last.weights)
    assert np.array_equal(code.weights.T, again.weights)
    # learnt, and not as drawn, from N(0, 0.01²)
    assert float(jnp.abs(first.weights).max()) > 0.06
    other = autoencoders.pretrained(net, images.train, jax.random.key(2), schedule)
    assert not np.array_equal(other[0][0].weights, first.weights)


def test_the_command_says_what_was_chosen_and_no_folder(tmp_path):
    options = Options(out=tmp_path, data_dir=tmp_path, full=True, learning_rate=0.001)
    words = autoencoders.command("autoencoder", options, (0,))
    assert words == "python -m experiments autoencoder --learning-rate 0.001 --full --data-dir … --seeds 0"
