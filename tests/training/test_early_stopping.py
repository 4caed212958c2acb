"""Early stopping with a least improvement: the rule on a history, checkpoints, streams, NaN and messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.training import epoch
from tests.training.test_fit import DESCENT, KEY, NET, assert_same, blobs, fit


def noisy(n):
    """Examples of which some lie among those of other classes, so that scores rise and fall."""
    plain = blobs(n, jax.random.key(5))
    return plain._replace(inputs=plain.inputs + 1.2 * jax.random.normal(jax.random.key(3), plain.inputs.shape))


VALIDATION = noisy(60)
# 1.0 is larger than any improvement of a cost that begins below 1: the first epoch stays the best
RULES = [("cost", 0.01, 2), ("cost", 0.05, 1), ("cost", 0.1, 3), ("cost", 1.0, 4)]
RULES += [("accuracy", 0.05, 3), ("accuracy", 0.0, 3), ("cost", 0.0, 2)]


def by_the_rule(scores, min_delta, patience):
    """(last epoch, best epoch), 1-based, of scores that are the better the lower: the rule as `fit` documents it."""
    best, at = np.inf, 0
    for number, score in enumerate(scores, 1):
        if score < best - min_delta:
            best, at = score, number
        if number - at >= patience:
            return number, at
    return len(scores), at


@pytest.fixture(scope="module")
def history():
    return fit(validation=VALIDATION, epochs=30).history


@pytest.mark.parametrize(("monitor", "min_delta", "patience"), RULES)
def test_it_stops_by_the_rule_with_the_parameters_of_the_last_significant_improvement(
    history, monitor, min_delta, patience
):
    scores = history.validation_cost if monitor == "cost" else -history.validation_accuracy
    last, best = by_the_rule(scores, min_delta, patience)
    result = fit(validation=VALIDATION, epochs=30, monitor=monitor, min_delta=min_delta, patience=patience)
    assert len(result.history.cost) == last
    assert int(result.state.best.epoch) == best
    assert_same(result.params, fit(epochs=best).params)
    if last < 30:
        better = f"better by more than {min_delta:g}" if min_delta else "better"
        assert result.stopped == f"no {better} for {patience} epochs; best epoch {best}"
    # what the docstring promises of the epochs after the best one
    assert scores[:last].min() >= scores[best - 1] - min_delta - 1e-7


def test_the_rules_differ_on_this_history(history):
    """The test of the test: with another δ the run would have ended elsewhere."""
    assert by_the_rule(history.validation_cost, 0.0, 2) != by_the_rule(history.validation_cost, 0.01, 2)
    accuracy = -history.validation_accuracy
    assert by_the_rule(accuracy, 0.0, 3) != by_the_rule(accuracy, 0.05, 3)


def test_a_stream_stops_where_arrays_do():
    train = blobs(40)
    stream = fn.data.stream(np.asarray(train.inputs), np.asarray(train.targets))
    settings = {"validation": VALIDATION, "epochs": 30, "min_delta": 0.05, "patience": 2}
    whole, streamed = fit(train=train, **settings), fit(train=stream, **settings)
    assert streamed.stopped == whole.stopped
    assert "better by more than 0.05" in whole.stopped
    assert_same(streamed.params, whole.params, 1e-6)


def test_a_run_that_goes_on_stops_where_one_that_never_paused_does(tmp_path):
    settings = {"validation": VALIDATION, "min_delta": 0.05, "patience": 2}
    whole = fit(epochs=30, **settings)
    assert len(whole.history.cost) > 4
    fit(epochs=3, checkpoint=tmp_path, **settings)
    resumed = fit(epochs=30, checkpoint=tmp_path, **settings)
    assert resumed.stopped == whole.stopped
    assert_same(resumed.params, whole.params)
    assert_same(resumed.state.best, whole.state.best)
    handed_on = fit(epochs=27, state=fit(epochs=3, **settings).state, **settings)
    assert handed_on.stopped == whole.stopped
    assert_same(handed_on.params, whole.params)


def test_a_checkpoint_belongs_to_its_least_improvement(tmp_path):
    settings = {"validation": VALIDATION, "patience": 9, "checkpoint": tmp_path}
    fit(epochs=1, min_delta=0.05, **settings)
    for other, here in ((0.1, "0.1"), (0.0, "None")):
        with pytest.raises(fn.data.DataError, match=rf"min_delta is 0\.05 there and {here} here; set it as it was"):
            fit(epochs=2, min_delta=other, **settings)


def test_checkpoints_from_before_there_was_a_least_improvement_are_gone_on_from(tmp_path, monkeypatch):
    from fnnets.training import program

    identity = program.identity

    def without(*arguments):
        found = identity(*arguments)
        del found["run"]["min_delta"]
        return found

    settings = {"validation": VALIDATION, "patience": 9, "checkpoint": tmp_path}
    with monkeypatch.context() as patched:
        patched.setattr(program, "identity", without)
        fit(epochs=1, **settings)
    assert len(fit(epochs=2, **settings).history.cost) == 2


@pytest.mark.parametrize(
    ("score", "best", "min_delta", "improves"),
    [
        (jnp.nan, 1.0, 0.0, False),
        (jnp.nan, jnp.inf, 0.1, False),
        (jnp.inf, jnp.inf, 0.0, False),
        (5.0, jnp.inf, 3.0, True),
        (1.0, 1.0, 0.0, False),
        (0.75, 1.0, 0.25, False),  # exactly δ, without rounding: no more than it
        (0.5, 1.0, 0.25, True),
    ],
)
@pytest.mark.parametrize("monitor", ["cost", "accuracy"])
def test_what_counts_as_an_improvement(score, best, min_delta, improves, monitor):
    state = fn.training.start(NET, DESCENT, key=KEY)._replace(epoch=jnp.int32(7))
    state = state._replace(best=state.best._replace(score=jnp.float32(best)))
    metrics = fn.training.Metrics(*map(jnp.float32, (score, 0.0) if monitor == "cost" else (0.0, -score)))
    found = epoch._better(state, metrics, monitor, min_delta)
    assert int(found.epoch) == (7 if improves else 0)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"min_delta": -0.1, "patience": 2}, ValueError, "fit: min_delta is -0.1, expected a finite number >= 0"),
        ({"min_delta": float("nan"), "patience": 2}, ValueError, "fit: min_delta is nan"),
        ({"min_delta": float("inf"), "patience": 2}, ValueError, "fit: min_delta is inf"),
        ({"min_delta": "0.1", "patience": 2}, TypeError, r"fit: min_delta is '0\.1'"),
        ({"min_delta": True, "patience": 2}, TypeError, "fit: min_delta is True"),
        ({"min_delta": 0.1}, ValueError, "min_delta is 0.1 without patience, expected both"),
        ({"min_delta": 1, "patience": 2, "monitor": "accuracy"}, ValueError, "min_delta is 1, expected less than 1"),
    ],
)
def test_bad_arguments_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        fit(validation=VALIDATION, **settings)
