"""
References to where a class is defined lead to where users import it from.

Annotations name `coder_agents.client.Client`; the pages document
`coder_agents.Client`, and the one leads to the other.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGE = "coder_agents."


def find_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """
    Return a link to the one documented object that the reference can mean.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    # A whole path names where something is defined; a short one ends as the public one does.
    ending = "." + (target.rpartition(".")[2] if target.startswith(PACKAGE) else target)
    python = env.domains.python_domain
    found = [
        full
        for full, entry in python.objects.items()
        if f".{full}".endswith(ending) and not entry.aliased
    ]
    if len(found) != 1:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, content)


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.connect("missing-reference", find_public_name)
    return {"parallel_read_safe": True}
