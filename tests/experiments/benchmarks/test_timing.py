import numpy as np
import pytest

from experiments.benchmarks import import_time
from experiments.benchmarks.timing import Contestant, Summary, interleave, ratio, summary


class Clock:
    """A clock that work moves, so that no test looks at the real one."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def work(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds

        return run


def test_each_round_holds_every_contestant_once_after_a_warm_up():
    clock = Clock()
    contestants = [Contestant(name, clock.work(name, seconds)) for name, seconds in (("a", 1), ("b", 2), ("c", 3))]
    samples = interleave(contestants, 5, settle=0, clock=lambda: clock.now)
    assert clock.calls[:3] == ["a", "b", "c"]
    rounds = [clock.calls[begin : begin + 3] for begin in range(3, 18, 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1, "who follows whom must change"
    assert samples == {"a": (1,) * 5, "b": (2,) * 5, "c": (3,) * 5}


def test_a_slow_contestant_runs_in_its_first_rounds_only():
    clock = Clock()
    contestants = [Contestant("a", clock.work("a", 1)), Contestant("slow", clock.work("slow", 9), rounds=2)]
    samples = interleave(contestants, 4, settle=0, clock=lambda: clock.now)
    assert (len(samples["a"]), len(samples["slow"])) == (4, 2)
    assert ratio(samples, "slow", "a") == 9


def test_the_order_is_the_same_in_every_run():
    orders = []
    for _ in range(2):
        clock = Clock()
        interleave([Contestant(name, clock.work(name, 1)) for name in "abcd"], 6, settle=0, clock=lambda: 0.0)
        orders.append(clock.calls)
    assert orders[0] == orders[1]


def test_no_round_and_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="rounds is 0"):
        interleave([Contestant("a", lambda: None)], 0)
    with pytest.raises(ValueError, match=r"\['a', 'a'\]"):
        interleave([Contestant("a", lambda: None)] * 2, 1)


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_medians():
    samples = {"a": (1.0, 10.0, 1.0), "b": (2.0, 20.0, 30.0)}
    assert ratio(samples, "b", "a") == 2.0
    assert summary(samples["b"]) == Summary(20.0, 2.0, 30.0)


def test_imports_are_timed_in_turn_and_subtracted():
    calls = []

    def clocked(modules):
        calls.append(modules)
        return 0.5 if modules == import_time.WITHOUT else 0.75

    samples = import_time.measure(2, clocked)
    assert calls == [import_time.WITH, *[import_time.WITHOUT, import_time.WITH] * 2]
    assert np.isclose(import_time.added(samples), 0.25)


def test_a_fresh_process_reports_its_seconds():
    assert import_time.in_fresh_process("json") > 0


def test_a_sample_is_the_time_of_one_unit():
    clock = Clock()
    samples = interleave([Contestant("a", clock.work("a", 6), units=3)], 2, settle=0, clock=lambda: clock.now)
    assert samples == {"a": (2.0, 2.0)}
