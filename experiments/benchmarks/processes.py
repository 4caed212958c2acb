"""Measurements in fresh processes: contestants in turn, the JSON that each prints, and no cache of programs.

| symbol | name in code | shape |
|---|---|---|
| what a contestant's processes print | `alternate(…)[name]` | (rounds,) |
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any


def alternate(
    contestants: Mapping[str, str], rounds: int, fresh: Callable[[str], dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """What `fresh(kind)` gives for each contestant's kind, in turn, every other round backwards.

    >>> alternate({"explicit": "explicit", "control": "explicit"}, 1, lambda kind: {"kind": kind})["control"]
    [{'kind': 'explicit'}]
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for i in range(rounds):
        for name in [*contestants][:: -1 if i % 2 else 1]:
            found[name].append(fresh(contestants[name]))
    return found


def printed(code: str) -> dict[str, Any]:
    """What Python code prints in a new process, which neither reads nor writes the persistent compilation cache."""
    environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "0"}
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout)
