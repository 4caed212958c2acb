"""Configuration of the site: Sphinx, pages in MyST Markdown, code that is executed when the site is built."""

import hashlib
import os
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

# The pages' kernels: the platform of any computer, and programs that are compiled fast, as in the tests. Compiling is
# most of a page's time, and what is computed does not depend on how well XLA optimises it.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / "build" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.03")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
FLAGS = ["--xla_cpu_parallel_codegen_split_count=1"]
if metadata.version("jax").startswith("0.10."):  # XLA ends the process at a flag that it does not know
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *FLAGS]).strip()
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))

from extensions import inventories, mathjax  # noqa: E402

import fnnets  # noqa: E402

project = "fnnets"
author = "The fnnets authors"
copyright = "The fnnets authors"
version = release = fnnets.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "extensions.code",
    "extensions.statements",
    "extensions.docstrings",
    "extensions.notebooks",
    "extensions.written",
    "extensions.names",
]
exclude_patterns = ["extensions", "inventories"]
nitpicky = False  # annotations name types of jaxtyping and of JAX that have no page

# Pages
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# A page is executed anew where it has changed, or any code that it may run.
nb_execution_mode = "cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"


def _digest() -> str:
    """A checksum of the package and of what the pages import from elsewhere in the repository."""
    found = hashlib.sha256()
    sources = [*ROOT.glob("fnnets/**/*.py"), *ROOT.glob("examples/*.py"), *ROOT.glob("experiments/**/measured/*.json")]
    for path in sorted(sources):
        found.update(path.read_bytes())
    return f"{found.hexdigest()[:16]}-python-{sys.version_info[0]}.{sys.version_info[1]}"


nb_execution_cache_path = str(ROOT / "build" / "pages" / _digest())

# API
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures show them; docstrings say shapes
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_attr_annotations = False
default_role = "py:obj"
intersphinx_mapping = inventories.mapping(HERE / "inventories")

# Formulas: MathJax comes from the environment, and the site serves it.
mathjax_path = "mathjax/tex-chtml.js"
mathjax_static = mathjax.copied(ROOT / "build" / "mathjax")

html_theme = "furo"
html_title = "fnnets"
html_static_path = ["_static", str(mathjax_static)]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
copybutton_exclude = ".linenos, .gp, .go"
