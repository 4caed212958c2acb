"""A report on a terminal has the words of the plain table."""

import io
import math
import re

import pytest
from rich.console import Console

from fnnets.verify import Report, Row
from fnnets.verify.report import terminal, text

OK = Row("4, 6", "layer 1 dense .weights", "ok", 1e-7, 1e-16, 1e-17, (0, 1), 1.0, 1.0, 1.0, "both")
WRONG = Row(
    "3, 5", "layer 1 dense .biases", "wrong", 0.5, 0.5, 0.1, (4,), 3.0, 2.0, 2.0, "automatic",
    place="unit 4", diagnosis="is 1.5 times the right one", decided="float64 error 5.0e-01 > 1e-10",
)  # fmt: skip
LINEAR = Row("", "linear in its cotangent", "ok", decided="departure 1e-16 <= 1e-09")
REPORT = Report("network", "float32", (OK, WRONG, OK._replace(verdict="rounding", note="below")), (LINEAR,))


def shown(report, **options):
    file = io.StringIO()
    terminal.show(report, Console(file=file, **{"width": 120, **options}))
    return file.getvalue()


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_piped_it_is_the_plain_table():
    assert shown(REPORT) == REPORT.table() + "\n"
    assert shown(REPORT, width=40) == REPORT.table() + "\n"


def test_on_a_terminal_words_and_their_order_are_the_same():
    out = shown(REPORT, force_terminal=True)
    words = [word for word in plain(out).split() if "─" not in word]
    assert words == [word for word in REPORT.table().split() if "---" not in word]


def test_verdicts_are_coloured_and_the_diagnosis_stands_below_its_row():
    out = shown(REPORT, force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[1;31mwrong", out)
    assert re.search(r"\x1b\[32mok", out)
    lines = plain(out).splitlines()
    row = next(i for i, line in enumerate(lines) if ".biases" in line)
    assert lines[row + 1].startswith("    explicit is 1.5 times the right one")


@pytest.mark.parametrize("width", [50, 80, 100])
def test_on_a_narrow_terminal_names_fold_and_nothing_is_lost(width):
    name = "layer 0 lstm .forget_gate.recurrent_weights"
    report = Report("network", "bfloat16", (OK._replace(where=name), WRONG))
    lines = plain(shown(report, force_terminal=True, width=width)).splitlines()
    assert max(map(len, lines)) <= width
    start = lines[0].index("wh")
    end = next(i for i in range(start, width) if lines[0][i : i + 2] == " v")
    folded = "".join(line[start:end] for line in lines[2:] if not line.startswith("    explicit"))
    assert name.replace(" ", "") in folded.replace(" ", "")


def test_at_eighty_columns_numbers_stay_whole():
    first = plain(shown(REPORT, force_terminal=True, width=80)).splitlines()[2]
    assert first.split()[-5:] == ["1.0e-07", "1.0e-16", "1.0e-17", "[0,1]", "both"]


def test_the_verdict_is_one_line_however_long_the_diagnosis():
    wrong = WRONG._replace(diagnosis="is " + "very " * 60 + "wrong")
    line = text.summary(Report("network", "float32", (OK, wrong)))
    assert "\n" not in line
    assert line.startswith("network: wrong (1 of 2 rows), first at layer 1 dense .biases")
    assert line.endswith("wrong; central differences support automatic")


def test_a_row_without_numbers_is_shown():
    row = Row("", "gradient params", "wrong", note="of another structure")
    assert math.isnan(row.error)
    assert "of another structure" in plain(shown(Report("gradient", "float32", (row,)), force_terminal=True))
