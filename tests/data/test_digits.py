import importlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from fnnets.data import digits, split


def test_digits_are_scikit_learns():
    batch, source = digits(), load_digits()
    np.testing.assert_array_equal(np.asarray(batch.inputs) * 16, source.data)
    np.testing.assert_array_equal(batch.targets, source.target)
    assert (batch.inputs.dtype, batch.targets.dtype) == (np.float32, np.int32)
    assert isinstance(batch.inputs, jax.Array)
    assert (float(batch.inputs.min()), float(batch.inputs.max())) == (0.0, 1.0)


def test_digits_come_without_importing_scikit_learn_or_by_its_function(monkeypatch):
    whole, module = digits(), importlib.import_module("fnnets.data.digits")
    code = "import sys, fnnets as fn; print(len(fn.data.digits().inputs), 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1797 False\n"
    monkeypatch.setattr(module.Path, "is_file", lambda path: False)
    again = digits()
    np.testing.assert_array_equal(again.inputs, whole.inputs)
    np.testing.assert_array_equal(again.targets, whole.targets)


@pytest.mark.parametrize(
    "call", [digits, lambda: split(digits_like(), (0.5, 0.5), key=jax.random.key(0), stratify=True)]
)
def test_without_scikit_learn_one_line_names_the_extra(monkeypatch, call):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(ImportError) as caught:
        call()
    assert str(caught.value).endswith("needs scikit-learn, which is not installed; run: pip install fnnets[data]")


def test_importing_fnnets_brings_no_optional_library():
    code = "import sys, fnnets; print({'sklearn', 'scipy', 'matplotlib', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def digits_like():
    from fnnets import Batch

    return Batch(np.ones((8, 1)), np.arange(8) % 2)


class Absent:
    """An importer that finds no scikit-learn."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
