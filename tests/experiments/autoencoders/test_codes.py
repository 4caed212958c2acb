import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.__main__ import main
from experiments.autoencoders import autoencoders, codes
from experiments.autoencoders.autoencoders import Images
from experiments.autoencoders.codes import Options, Plane


@pytest.fixture(autouse=True)
def no_data(monkeypatch, standard_promotion):
    monkeypatch.delenv("FNNETS_DATA", raising=False)


def test_codes_are_placed_judged_and_drawn(tmp_path, monkeypatch, capsys):
    drawn, picture = {}, codes.picture
    monkeypatch.setattr(codes, "picture", lambda images, planes: drawn.update(planes) or picture(images, planes))
    options = Options(out=tmp_path, seeds=(1, 2), sizes=(6, 2), pretraining_epochs=1, epochs=1, batch_size=449)
    status = codes.run(options)
    content = json.loads((tmp_path / "codes" / "codes-digits.json").read_text())
    assert content["command"] == (
        "python -m experiments codes --sizes 6 2 --pretraining-epochs 1 --epochs 1 --batch-size 449 --seeds 1 2"
    )
    error, pca_error, less, right, pca_right, more = content["figures"]
    assert len(error["values"]) == len(right["values"]) == 2
    assert error["values"][0] != error["values"][1]
    assert [pca_error["values"], pca_right["values"]] == [
        pytest.approx([drawn["PCA"].error], rel=1e-5), pytest.approx([drawn["PCA"].accuracy], rel=1e-5)
    ]  # fmt: skip
    assert less["mean"] == pytest.approx(error["mean"] - pca_error["mean"], rel=1e-4)
    assert more["mean"] == pytest.approx(right["mean"] - pca_right["mean"], rel=1e-4)
    assert status == int("missed" in (less["verdict"], more["verdict"]))
    assert drawn["autoencoder"].places.shape == drawn["PCA"].places.shape == (899, 2)
    assert drawn["autoencoder"].error == pytest.approx(error["values"][0], rel=1e-5)  # the first seed
    assert (tmp_path / "codes" / "codes-digits.png").exists()


def test_two_components_lose_nothing_of_images_in_a_plane():
    places, labels = jax.random.normal(jax.random.key(0), (60, 2)), np.arange(60) % 2
    x = np.asarray(places) @ np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 0.0]]) + 5 * labels[:, None]
    plane = codes.by_pca(Images("", x[:40], x[40:], labels[:40], labels[40:]), 1)
    assert plane.places.shape == (20, 2)
    assert plane.error < 1.0  # of a variance of more than 100
    flat = np.asarray(places) @ np.eye(2, 4)
    assert codes.by_pca(Images("", flat, flat, labels, labels), 1)[1:] == pytest.approx((0.0, 100.0), abs=1e-9)


def test_neighbours_vote():
    known, labels = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([4, 7, 7, 4])
    assert codes.accuracy(known, labels, np.array([[-1.0]]), [7], 1) == 0
    assert codes.accuracy(known, labels, np.array([[-1.0]]), [7], 3) == 100


def test_errors_below_and_accuracies_above_those_of_pca_reach_the_bars():
    none, pca = np.zeros((1, 2)), Plane(np.zeros((1, 2)), 4.0, 60.0)
    better = codes.figures([Plane(none, 3.0, 70.0), Plane(none, 3.5, 80.0)], pca, 15)
    assert [figure.mean for figure in better] == [3.25, 4.0, -0.75, 75.0, 60.0, 15.0]
    assert [figure.verdict for figure in better] == ["", "", "reached", "", "", "reached"]
    worse = codes.figures([Plane(none, 4.5, 50.0)], pca, 15)
    assert [figure.verdict for figure in worse] == ["", "", "missed", "", "", "missed"]


def test_every_class_has_its_colour_and_its_digit_for_a_marker():
    assert len(set(codes.COLOURS)) == 10
    places = np.arange(40.0).reshape(20, 2)
    images = Images("", None, None, None, jnp.arange(20) % 10)
    figure = codes.picture(images, {"one": Plane(places, 1.0, 2.0), "two": Plane(-places, 1.0, 2.0)})
    assert len(figure.axes) == 2
    for axes in figure.axes:
        drawn = [points.get_offsets() for points in axes.collections]
        assert [len(points) for points in drawn] == [2] * 10
        assert len({points.get_facecolor().tobytes() for points in axes.collections}) == 10
        assert len({points.get_paths()[0].vertices.tobytes() for points in axes.collections}) == 10
    assert np.array_equal(figure.axes[0].collections[3].get_offsets(), places[[3, 13]])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sizes", "20", "3"], "sizes end with 3, expected 2"),
        (["--neighbours", "0"], "neighbours is 0"),
        (["--neighbours", "899"], "neighbours is 899, expected at most the 898 training images"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(arguments, said, capsys):
    assert main(["codes", *arguments]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert said in written.err


def test_divergence_is_said(tmp_path):
    images = autoencoders.load()
    schedule = codes.SCHEDULES["digits"]._replace(
        sizes=(6, 2), pretraining_epochs=1, learning_rate=1e38, batch_size=449
    )
    with pytest.warns(RuntimeWarning), pytest.raises(ValueError, match=r"seed 1: .* in epoch 1"):
        codes.by_autoencoder(images, schedule, 1, Options(out=tmp_path))
