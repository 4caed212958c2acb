"""Valid calls of `fn.storage`."""

import tempfile
from pathlib import Path

import jax
import numpy as np

import fnnets as fn
from tests.invalid.calls import call
from tests.invalid.kinds import fixed, path

FOLDER = Path(tempfile.mkdtemp())
NET = fn.feedforward([2, 3, 1], objective=fn.objectives.linear_squared_error)
OTHER = fn.feedforward([2, 4, 1], objective=fn.objectives.linear_squared_error)
PARAMS = NET.init(jax.random.key(0))
FILE = fn.storage.save(PARAMS, FOLDER / "net.safetensors")
FOREIGN = FOLDER / "foreign.safetensors"
FOREIGN.write_text("no numbers at all")

written = path(FOLDER / "again.safetensors").also(
    folder=FOLDER, **{"folder of this name": f"{FOLDER}/"}, empty="", below=FILE / "a.safetensors", nul="a\0b"
)
read = path(FILE).also(missing=FOLDER / "none", folder=FOLDER, foreign=FOREIGN, empty="", nul="a\0b")

ROWS = [
    call(
        "fn.storage.save",
        fn.storage.save,
        params=fixed(PARAMS, none=None, text="params", number=3, objects=[object()], keys=jax.random.key(0),
                     complex=np.ones(2) * 1j, wide=np.ones(2, np.longdouble), words=np.array(["a"])),
        path=written,
        about=fixed({"a": "b"}, text="a", number=3, numbers={"a": 3}, pairs=[("a", "b")], keys={3: "a"}),
    ),
    call("fn.storage.load", fn.storage.load, path=read,
         net=fixed(NET, none=None, text="net", number=3, other=OTHER, layer=NET.layer, empty=())),
    call("fn.storage.about", fn.storage.about, path=read),
]  # fmt: skip
