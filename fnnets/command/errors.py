"""What a command refuses: one line, and where it stands in the user's own file."""

from __future__ import annotations

import traceback
from pathlib import Path

HERE = str(Path(__file__).parent.parent)
LONGEST = 600


class Refusal(Exception):
    """Bad input; the message is one line that says what came, what is expected and the remedy."""


def one_line(text: str) -> str:
    r"""`text` on one line, cut where it is very long.

    >>> one_line("two\n   lines")
    'two lines'
    """
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def raised(doing: str, error: BaseException) -> Refusal:
    """The refusal that says what was raised while `doing` something, and in which line of the user's files.

    >>> str(raised("importing it", ValueError("no such thing")))
    'importing it raised ValueError: no such thing'
    """
    said = f": {error}" if str(error) else ""
    return Refusal(one_line(f"{doing} raised {type(error).__name__}{said}{_place(error)}"))


def _place(error: BaseException) -> str:
    """The innermost line that is neither ours nor a library's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_users(filename: str) -> bool:
    foreign = ("site-packages", "dist-packages", "importlib", "<frozen")
    return not filename.startswith(HERE) and not any(part in filename for part in foreign)
