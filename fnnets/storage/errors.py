"""Errors of data from outside: one exception type, and its kinds: data that is not there, or cannot be written.

A command catches `DataError`, prints its one line and ends with exit status 2.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class DataError(ValueError):
    """Data from outside is damaged, or not what its name says; the message is one line with the remedy.

    >>> raise DataError("train-labels-idx1-ubyte holds labels from 0 to 12, expected 0 to 9; get it again")
    Traceback (most recent call last):
    fnnets.storage.errors.DataError: train-labels-idx1-ubyte holds labels from 0 to 12, expected 0 to 9; get it again
    """


class DataNotFoundError(DataError, FileNotFoundError):
    """Data is not where it was looked for; both a `DataError` and a `FileNotFoundError`.

    >>> issubclass(DataNotFoundError, FileNotFoundError)
    True
    """


class DataNotWrittenError(DataError, OSError):
    """A file cannot be written where it should be; both a `DataError` and an `OSError`.

    >>> issubclass(DataNotWrittenError, OSError)
    True
    """


def scikit_learn(module: str, user: str) -> ModuleType:
    """The module `sklearn.<module>`, imported only now, since `import fnnets` must stay fast.

    Args:
        module: its name below `sklearn`.
        user: what needs it, for the message.

    Raises:
        ImportError: scikit-learn is not installed; the message names the extra that brings it.

    >>> scikit_learn("datasets", "digits").__name__
    'sklearn.datasets'
    """
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "sklearn":
            raise
        message = f"{user} needs scikit-learn, which is not installed; run: pip install fnnets[data]"
        raise ImportError(message, name="sklearn") from None
