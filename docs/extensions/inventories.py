"""Inventories of other projects, kept beside the pages so that a build needs no network.

    docs/inventories/jax.inv     a text: the form that intersphinx calls version 1, `name kind page`

Its first lines are the form's own; the address of the project is in `PROJECTS`.
"""

from __future__ import annotations

from pathlib import Path

PROJECTS = {
    "jax": "https://docs.jax.dev/en/latest/",
    "optax": "https://optax.readthedocs.io/en/latest/",
}


def mapping(folder: Path) -> dict[str, tuple[str, str]]:
    """`intersphinx_mapping` of the inventories in a folder."""
    return {name: (address, str(folder / f"{name}.inv")) for name, address in PROJECTS.items()}
