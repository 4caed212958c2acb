"""MathJax for the site, from the package django-static-mathjax, which holds its files and needs nothing of Django."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

FILES = ("tex-chtml.js", "output/chtml/fonts")


def copied(folder: Path) -> Path:
    """Copy what a page loads into `folder`/mathjax; returns `folder`, one of html_static_path.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    found = importlib.util.find_spec("mathjax")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("django-static-mathjax is not installed; run: pip install 'fnnets[site]'")
    source = Path(found.submodule_search_locations[0]) / "static" / "mathjax" / "es5"
    for name in FILES:
        origin, target = source / name, folder / "mathjax" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, target, dirs_exist_ok=True)
        elif not target.exists():
            shutil.copy(origin, target)
    return folder
