"""
Read the sections of docstrings, "Args:" and "Attributes:".

They are napoleon's, asked only for what has sections: in a property's docstring it
would take the words before a colon for a type.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

WITH_SECTIONS = {"class", "exception", "function", "method"}


def read_sections(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """
    Turn the sections of one docstring into reStructuredText.
    """
    if what in WITH_SECTIONS:
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, obj, options).lines()


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.connect("autodoc-process-docstring", read_sections)
    return {"parallel_read_safe": True}
