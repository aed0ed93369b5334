"""
Make links of the exceptions that docstrings name.

Docstrings write an exception as they write arguments, as ``*NotFoundError*``. One of this package
leads to where the reference describes it, and one that nothing describes fails the build; one of
Python leads to Python's documentation.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PYTHON = "https://docs.python.org/3/library/exceptions.html#"

_EXCEPTION = re.compile(r"(?<![*\w])\*([A-Z]\w*(?:Error|Interrupt|Iteration|Exit|Warning))\*(?!\*)")


def link_exceptions(lines: list[str]) -> list[str]:
    """
    Return *lines* of a docstring with the exceptions in them as references.
    """
    return [_EXCEPTION.sub(r":exc:`\1`", line) for line in lines]


def page_of(target: str) -> str | None:
    """
    Return the address at which Python describes the exception *target*; None for anything else.
    """
    found = getattr(builtins, target, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return f"{PYTHON}{target}"
    return None


def read_docstring(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """
    Turn the exceptions of one docstring into references.
    """
    lines[:] = link_exceptions(lines)


def link_to_python(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """
    Return a link to Python's documentation where the reference is to one of its exceptions.
    """
    from docutils import nodes

    page = page_of(node["reftarget"]) if node.get("refdomain") == "py" else None
    if page is None:
        return None
    return nodes.reference("", "", content, internal=False, refuri=page)


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("missing-reference", link_to_python)
    return {"parallel_read_safe": True}
