"""Valid calls of figures."""

import math
import tempfile
from pathlib import Path

import numpy as np

from fnnets import plots
from fnnets.training import History
from tests.invalid.calls import call
from tests.invalid.kinds import count, fixed, flag, instance, number, path, shape

FIGURE, [AXES] = plots.panels()
LINES = {"one": [1.0, 2.0], "two": [2.0, 1.0]}
HISTORY = History(cost=np.array([2.0, 1.0]), validation_cost=np.array([2.5, 1.5]))
FOLDER = Path(tempfile.mkdtemp())
lines = fixed(
    LINES,
    none=None,
    text="one",
    list=[1.0, 2.0],
    empty={},
    words={"one": ["a"]},
    scalar={"one": 3.0},
    nothing={"one": []},
    ragged={"one": [[1.0], [1.0, 2.0]]},
    complex={"one": [1j]},
    several=dict(LINES, two=np.ones((2, 2, 2))),
    nothing_known={"one": None},
)
text = fixed("epoch", none=None, number=3, list=["epoch"])
positions = fixed(
    [1.0, 2.0], text="ab", short=[1.0], number=1.0, nan=[1.0, math.nan], pairs=[[1.0, 2.0]], complex=[1j, 2]
)
style = fixed([{}, {"color": "red"}], short=[{}], text="red", words=["red", "blue"], number=3, none=None)
DRAWN = {
    "lines": lines,
    "x": positions,
    "xlabel": text,
    "ylabel": text,
    "title": text,
    "markers": flag(False),
    "log": fixed("y", none=None, other="z", flag=True, number=2, twice="yy", list=["x"]),
    "styles": style,
}
matrix = fixed(
    [[3, 1], [0, 4]],
    none=None,
    text="abc",
    number=3,
    row=[3, 1],
    wide=[[1, 2, 3], [4, 5, 6]],
    ragged=[[1, 2], [3]],
    nan=[[1.0, math.nan], [0.0, 1.0]],
    negative=[[-1, 1], [0, 4]],
    complex=[[1j, 0], [0, 1]],
    none_at_all=np.ones((0, 0)),
    shares=[[0.5, 0.5], [0, 1]],
)
wrong_axes = instance(AXES, FIGURE, [AXES])

ROWS = [
    call(
        "fnnets.plots.panels",
        plots.panels,
        columns=count(2),
        width=number(5.0, 0, open="low"),
        height=number(4.0, 0, open="low"),
    ),
    call("fnnets.plots.draw", plots.draw, axes=wrong_axes, **DRAWN),
    call("fnnets.plots.legend", plots.legend, axes=wrong_axes),
    call(
        "fnnets.plots.curves",
        plots.curves,
        **(DRAWN | {"lines": lines.also(gaps={"one": [math.nan, math.inf], "two": [1.0, 2.0]})}),
    ),
    call(
        "fnnets.plots.learning_curves",
        plots.learning_curves,
        unit=text,
        histories=fixed(
            {"run": HISTORY},
            none=None,
            history=HISTORY,
            list=[HISTORY],
            empty={},
            numbers={"run": [1.0, 2.0]},
            text="run",
            untrained={"run": History(cost=np.array([]))},
        ),
    ),
    call(
        "fnnets.plots.filters",
        plots.filters,
        weights=fixed(
            np.ones((3, 4)),
            none=None,
            text="w",
            row=np.ones(4),
            wide=np.ones((3, 5)),
            nan=np.full((3, 4), np.nan),
            complex=1j * np.ones((3, 4)),
            empty=np.ones((0, 4)),
            params={"w": 3},
        ),
        image_shape=shape((2, 2)).also(three=(2, 2, 1), text="22"),
        columns=count(2),
        title=text,
    ),
    call(
        "fnnets.plots.maps",
        plots.maps,
        columns=count(2),
        title=text,
        images=fixed(
            np.ones((3, 2, 2)),
            none=None,
            text="w",
            row=np.ones(4),
            nan=np.full((3, 2, 2), np.nan),
            complex=1j * np.ones((3, 2, 2)),
            empty=np.ones((0, 2, 2)),
            colours=np.ones((3, 2, 2, 3)),
        ),
        rows=fixed(["a", "b"], none=None, text="ab", numbers=[1, 2], short=["a"], long=["a", "b", "c"]),
    ),
    call("fnnets.plots.confusion", plots.confusion, matrix=matrix, title=text),
    call("fnnets.plots.save", plots.save, figure=instance(FIGURE, AXES, plots), path=path(FOLDER / "a.png")),
]
