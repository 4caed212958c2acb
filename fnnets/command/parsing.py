"""The command line as a dataclass, and what is wrong with it on one line: the option, what came, what is expected.

tyro reads the command line; its complaints fill a frame, and speak of types of Python.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
import typing
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fnnets.command.files import UsageError, one_line

TYPES = {int: "a whole number", float: "a number", str: "a word", Path: "a path", bool: "no value", type(None): "None"}
SEVERAL = {"a whole number": "whole numbers", "a number": "numbers", "a word": "words", "a path": "paths"}


def parse(options: type, arguments: Sequence[str], program: str) -> Any:
    """The dataclass `options` filled in from the command line.

    Args:
        options: a dataclass of options.
        arguments: the words of the command line.
        program: what stands before them, as "fnnets verify".

    Raises:
        UsageError: an unknown option or a bad value.
        SystemExit: `--help` was given, and is printed.
    """
    import tyro

    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            return tyro.cli(options, args=list(arguments), prog=program)
    except SystemExit as end:
        if end.code in (0, None):
            raise
    raise UsageError(f"{complaint(unframed(output.getvalue()), options, arguments)}; see {program} --help")


def nearest(word: str, known: Sequence[str]) -> str:
    """The most similar of the known words; the empty string where none is.

    >>> nearest("digit", ["digits", "anchors"])
    'digits'
    """
    return next(iter(difflib.get_close_matches(word.lower(), known, 1, 0.7)), "")


def unframed(box: str) -> str:
    """The text in tyro's frame, between the title and the hints; the frame is of ASCII where it must be."""
    parts = re.split(r"[─-]{3,}", re.sub(r"[│╭╮╰╯|+]", " ", box))
    pieces = [piece for piece in (one_line(part).strip(" ─-.") for part in parts) if piece]
    return pieces[1] if len(pieces) > 1 else "".join(pieces)


def complaint(text: str, options: type, arguments: Sequence[str]) -> str:
    """tyro's complaint about these arguments in the words of this package, as far as its kind is known."""
    if found := re.match(r"Error parsing Options: (.*)", text):
        return found[1]
    if found := re.match(
        r"(?:Error parsing \S+: )?invalid choice '(.*?)' for argument '(.*?)'\. Expected one of (.*)", text
    ):
        words = re.findall(r"'(.*?)'", found[3])
        return _expected(_argument(found[2], options), found[1], _listed(words), nearest(found[1], words))
    if found := re.match(r"Error parsing (--[\w-]+): .*?(?:\['(.*?)'\]|: '(.*?)'$)", text):
        return _expected(found[1], (found[2] or found[3] or "").replace("', '", " "), _of_option(options, found[1]), "")
    if found := re.match(r"Missing from .*?: ([A-Z]+)", text):
        return f"{found[1]} is missing, expected {_of_option(options, found[1].lower())}; give it"
    if found := re.match(r"Unrecognized options: (.*)", text):
        return _unknown(found[1].split(", "), options, arguments)
    return text


def _expected(name: str, came: str, expected: str, near: str) -> str:
    remedy = f"write {near}" if near else "give one"
    return f"{name} is {came!r}, expected {expected}; {remedy}"


def _unknown(words: list[str], options: type, arguments: Sequence[str]) -> str:
    first = words[0]
    hints = typing.get_type_hints(options, include_extras=True)
    positional = [name for name, hint in hints.items() if "Positional" in repr(getattr(hint, "__metadata__", ()))]
    names = [f"--{field.name.replace('_', '-')}" for field in fields(options) if field.name not in positional]
    if not first.startswith("-"):
        return f"{' '.join(words)} is left over, expected options alone; each option begins with --"
    near = nearest(first.partition("=")[0], [*names, *(name.replace("--", "--no-", 1) for name in names)])
    return f"there is no option {first}, expected one of {_listed(names)}" + (f"; write {near}" if near else "")


def _argument(name: str, options: type) -> str:
    """An argument as it stands on the command line: positional ones have a name in capitals."""
    return name if name.startswith("-") else name.upper()


def _of_option(options: type, name: str) -> str:
    """What an option takes, in words."""
    hints = typing.get_type_hints(options)
    return _words(hints.get(name.removeprefix("--").replace("-", "_"), str))


def _words(hint: Any) -> str:
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return _listed([str(part) for part in parts])
    if typing.get_origin(hint) is tuple:
        return SEVERAL.get(_words(parts[0]), _words(parts[0]))
    if parts:  # of a union
        return " or ".join(dict.fromkeys(_words(part) for part in parts if part is not type(None)))
    return TYPES.get(hint, "another value")


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
