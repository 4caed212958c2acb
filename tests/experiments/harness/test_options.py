from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.harness.options import Common, OptionError, arguments, command, find, given, parse
from experiments.sequences.sequence_digits import ROWS


@dataclass(frozen=True)
class Options(Common):
    """Options of several kinds.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: seeds.
        epochs: passes.
        rate: a step size.
        l2: a penalty.
        dropout: a share.
        table: words.
        full: a switch.
        data_dir: a folder.
    """

    seeds: tuple[int, ...] = (0, 1)
    epochs: int | None = None
    rate: float = 0.1
    l2: float = 0.0
    dropout: float = 0.0
    table: str = "a"
    full: bool = False
    data_dir: Path | None = None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"seeds": (0, 0)}, "seeds are"),
        ({"seeds": (-1,)}, "seeds: one is -1"),
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"l2": -1.0}, "l2 is -1.0"),
        ({"dropout": 1.0}, "dropout: rate is 1.0, expected less than 1"),
        ({"dropout": -0.1}, "dropout: rate is -0.1"),
    ],
)
def test_a_bad_option_is_named(bad, said):
    with pytest.raises(ValueError, match=said):
        Options(**bad)


def test_a_command_gives_the_same_options_again():
    options = Options(Path("x"), False, (3,), 2, 0.5, 1.0, 0.2, "conv3-4 | fc-2", True, Path("y"))
    line = command("name", options)
    words = "--epochs 2 --rate 0.5 --l2 1.0 --dropout 0.2 --table 'conv3-4 | fc-2' --full --data-dir … --seeds 3"
    assert line == f"python -m experiments name {words}"
    assert command("name", Options()) == "python -m experiments name --seeds 0 1"


@pytest.mark.parametrize("progress", [True, False, "auto"])
def test_arguments_are_read_as_the_same_options(progress):
    options = Options(progress=progress, full=True, epochs=7)
    assert parse(Options, arguments(options), "name") == options


def test_settings_leave_out_folders_and_what_is_named():
    assert given(Options(), "table", "full") == {"epochs": None, "rate": 0.1, "l2": 0.0, "dropout": 0.0}


def test_rows_are_found_by_name_and_in_the_given_order():
    assert find(("rows-gru", "rows-lstm"), ROWS) == (ROWS[1], ROWS[0])
    assert find((), ROWS) == ROWS
    with pytest.raises(ValueError, match="rows has 'none', expected some of rows-lstm"):
        find(("none",), ROWS)


def test_an_unknown_option_is_one_line():
    with pytest.raises(OptionError, match="--colour") as complaint:
        parse(Options, ["--colour", "red"], "name")
    assert "\n" not in str(complaint.value)
