import contextlib
import importlib
import json
import re
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.__main__ import main
from experiments.autoencoders import autoencoder, autoencoders
from experiments.autoencoders.autoencoder import Options, Run
from experiments.autoencoders.autoencoders import Images, Schedule
from experiments.harness import results
from experiments.harness.options import command

TINY = {"seeds": (3,), "sizes": (6, 2), "pretraining_epochs": 1, "epochs": 4, "batch_size": 449, "every": 2}
WORDS = ["--seeds=3", "--sizes", "6", "2", "--pretraining-epochs=1", "--epochs=4", "--batch-size=449", "--every=2"]
MEASURED = '{"epochs": [%s], "errors": [%s], "seconds": 1}'


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
    return folder / "autoencoder" / "state-digits-seed-3"


def measured(folder):
    return json.loads((state_of(folder) / "measured.json").read_text())


def contents(folder):
    """The contents of the files of a folder of states."""
    return {path: path.read_bytes() for path in state_of(folder).rglob("*") if path.is_file()}


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished run's folder, to be harmed."""
    shutil.copytree(state_of(finished), state_of(tmp_path))
    return tmp_path


def refused(folder, capsys, words=WORDS):
    """The one line with which the command declines to go on from a folder, in which it changes nothing."""
    before = contents(folder)
    assert main(["autoencoder", *words, "--full", "--out", str(folder)]) == 2
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert contents(folder) == before
    return written


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
    assert run.errors == measured(finished)["errors"]


def same_end(one, other):
    """Whether two runs end with the same measurements and the same state, to the last bit."""
    leaves = [jax.tree.leaves(run.state._replace(key=jax.random.key_data(run.state.key))) for run in (one, other)]
    assert (one.epochs, one.errors) == (other.epochs, other.errors)
    for a, b in zip(*leaves, strict=True):
        assert (a.dtype, np.asarray(a).tobytes()) == (b.dtype, np.asarray(b).tobytes())


def test_an_interrupted_long_schedule_goes_on_bit_for_bit(tmp_path, finished, monkeypatch, capsys):
    fit = fn.fit

    def interrupted(*arguments, **how):
        """As after Ctrl-C in the third epoch."""
        result = fit(*arguments, **{**how, "epochs": min(3, how["epochs"])})
        return result if how["epochs"] < 4 else result._replace(stopped="interrupted after epoch 3")

    monkeypatch.setattr(fn, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path)
    assert "seed 3: stopped after epoch 3, saved in " in capsys.readouterr().out
    assert measured(tmp_path)["epochs"] == [0, 2]
    monkeypatch.setattr(fn, "fit", fit)
    same_end(trained(tmp_path), trained(finished))
    assert "measured to epoch 2, goes on from" in capsys.readouterr().out
    assert measured(tmp_path)["errors"] == measured(finished)["errors"]


def dies(patch, module, name, after):
    """Have the first call of a function be the end, before or after its work, as after SIGKILL there."""
    function = getattr(module, name)

    def step(*arguments, **how):
        if after:
            function(*arguments, **how)
        raise SystemExit

    patch.setattr(module, name, step)


def test_a_run_that_is_killed_again_and_again_ends_bit_for_bit(tmp_path, finished):
    stops = [
        (results, "replace", True),  # measured before fine-tuning, without a start
        (fn.storage, "save", True),
        (fn, "fit", True),  # epoch 2 is saved and not measured
        (results, "replace", False),  # epoch 2 is measured, which is not written
        (results, "replace", True),
        (autoencoders, "judge", False),  # epoch 4 is saved and not measured
    ]
    for module, name, after in stops:
        with pytest.MonkeyPatch.context() as patch:
            dies(patch, module, name, after)
            with pytest.raises(SystemExit):
                trained(tmp_path)
    assert measured(tmp_path)["epochs"] == [0, 2]
    same_end(trained(tmp_path), trained(finished))


def test_a_finished_long_schedule_is_not_trained_again(finished, monkeypatch, capsys):
    before = contents(finished).keys()
    training = importlib.import_module("fnnets.training.fit")
    monkeypatch.setattr(training, "_run", lambda *_: lambda state, pause: pytest.fail("an epoch is trained"))
    assert trained(finished).epochs == [0, 2, 4]
    assert "measured to epoch 4, goes on from" in capsys.readouterr().out
    assert contents(finished).keys() == before


def test_what_was_measured_after_a_damaged_checkpoint_is_measured_again(copied, finished, monkeypatch):
    (state_of(copied) / "checkpoints" / "2" / "_CHECKPOINT_METADATA").unlink()  # of epoch 4
    judge, judged = autoencoders.judge, []
    monkeypatch.setattr(autoencoders, "judge", lambda *given: judged.append(1) or judge(*given))
    with pytest.warns(RuntimeWarning, match="going on from"):
        resumed = trained(copied)
    assert len(judged) == 2  # on training and test images, after epoch 4 alone
    same_end(resumed, trained(finished))


def test_a_folder_of_other_settings_is_refused_in_one_line(finished, capsys):
    written = refused(finished, capsys, [*WORDS[:-1], "--every=3"])
    assert "state-digits-seed-3: every is 2 there and 3 now; give the same or another --out; or remove" in written
    written = refused(finished, capsys, ["--epochs=9" if word == "--epochs=4" else word for word in WORDS])
    assert "epochs is 4 there and 9 now" in written


@pytest.mark.parametrize(
    ("names", "content", "said"),
    [
        ("start.safetensors", "half a file", "no whole safetensors file"),
        ("measured.json", '{"epochs": [0', "measured.json cannot be used (JSONDecodeError"),
        ("measured.json", "[]", "measured.json cannot be used (TypeError"),
        ("measured.json", None, "measured.json cannot be used (FileNotFoundError"),
        ("measured.json", MEASURED % ("0, 1", "[1, 1], [1, 1]"), "2 errors for epochs [0, 1], expected some for the"),
        ("measured.json", MEASURED % ("0", "[1, 1]"), "is measured to epoch 0, but trained to 4, expected at most 2"),
        ("checkpoints/*/_CHECKPOINT_METADATA", None, "holds 2 checkpoints and each is damaged"),
        ("checkpoints", "", "a file, expected a directory"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(copied, capsys, names, content, said):
    for path in list(state_of(copied).glob(names)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if content is not None:
            path.write_text(content)
    assert re.search(f"{re.escape(said)}.* to begin afresh", refused(copied, capsys))


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
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert said in written.err


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


def test_rbms_are_trained_as_published():
    rbms, optimizers = autoencoders.stack((6, 4, 3, 2), 40, 2)
    assert [net.l2 for net in rbms] == [40 * 2e-4] * 3
    assert [net.family.hidden.name for net in rbms] == ["binary", "binary", "gaussian"]
    params, v = rbms[0].init(jax.random.key(0)), jnp.ones((3, 6))
    batch, _ = rbms[0].sampler.draw(params, (), fn.Batch(v), jax.random.key(1))
    assert bool(jnp.all((batch.targets > 0.3) & (batch.targets < 0.7)))  # means, as weights are near 0, and no samples
    for optimizer, rate in zip(optimizers, (0.1, 0.1, 0.001), strict=True):
        state, velocity = optimizer.init(jnp.zeros(())), 0.0
        for step in range(12):  # of 2 an epoch: the momentum rises after 10
            update, state = optimizer.update(jnp.ones(()), state)
            velocity = (0.5 if step < 10 else 0.9) * velocity - rate
            assert float(update) == pytest.approx(velocity, rel=1e-5)


def test_a_pretrained_autoencoder_is_the_stack_of_its_rbms(finished):
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
    words = command("autoencoder", replace(options, seeds=(0,)))
    assert words == "python -m experiments autoencoder --learning-rate 0.001 --full --data-dir … --seeds 0"
