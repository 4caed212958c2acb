"""Names of the API, of JAX and of optax in the text of a page, as links: the first of each on a page.

    `fn.fit`, `fn.fit(net, …)`      the entry on a page of the API
    `jax.grad`, `optax.sgd(0.1)`    JAX's and optax's own pages, by the inventories that are kept with the docs

Titles and what is a link already stay as they are.
"""

from __future__ import annotations

import re
import types
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.ext.intersphinx import InventoryAdapter

import fnnets

if TYPE_CHECKING:
    from sphinx.application import Sphinx

NAME = re.compile(r"((?:fn|fnnets|jax|optax)(?:\.\w+)+)(?:\(.*\))?", re.DOTALL)


def full_name(name: str) -> str:
    """The name that the API has for one as users write it.

    >>> full_name("fn.fit"), full_name("fn.autoencoders.encode"), full_name("jax.grad")
    ('fnnets.fit', 'fnnets.networks.autoencoders.encode', 'jax.grad')
    """
    head, *rest = name.split(".")
    if head not in ("fn", "fnnets"):
        return name
    module: Any = fnnets
    while len(rest) > 1 and isinstance(getattr(module, rest[0], None), types.ModuleType):
        module = getattr(module, rest.pop(0))
    return ".".join([module.__name__, *rest])


def address(app: Sphinx, page: str, name: str) -> str | None:
    """The address of a name from a page, None where no page has it."""
    objects = app.env.get_domain("py").objects  # type: ignore[attr-defined]
    found = objects.get(full_name(name))
    if found is not None:
        return f"{app.builder.get_relative_uri(page, found.docname)}#{found.node_id}"
    inventory = InventoryAdapter(app.env).main_inventory
    for kind in ("py:function", "py:class"):
        if name in inventory.get(kind, {}):
            return inventory[kind][name].uri
    return None


def link(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make links of the names in the text of a page; titles and what is a link already stay as they are."""
    seen: set[str] = set()
    for literal in list(doctree.findall(nodes.literal)):
        found = NAME.fullmatch(literal.astext())
        if found is None or found.group(1) in seen:
            continue
        above: Any = literal.parent
        while above is not None and not isinstance(above, nodes.reference | nodes.title | nodes.literal_block):
            above = above.parent
        uri = None if above is not None else address(app, page, found.group(1))
        if uri is not None:
            seen.add(found.group(1))
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), refuri=uri, internal="://" not in uri))


def setup(app: Sphinx) -> dict[str, Any]:
    """Do so in every page."""
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
