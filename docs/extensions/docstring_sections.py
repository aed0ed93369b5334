"""
Read the sections of docstrings, "Args:", "Attributes:" and "Returns:".

They are napoleon's, asked only for what has sections: in a property's docstring it
would take the words before a colon for a type.
"""

from __future__ import annotations

import enum
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

# The path of a class; with a tilde, only its last part is shown.
PATH = re.compile(r"(?<![\w.])(?:\w+\.)+\w+")
SHORT = r"~\g<0>"

WITH_SECTIONS = {"class", "exception", "function", "method"}


class Sections(GoogleDocstring):
    """
    Sections of this project's docstrings, in which annotations tell all types.
    """

    def _parse_attributes_section(self, section: str) -> list[str]:
        """
        Show the type of an attribute after its name, not in lines of its own.
        """
        lines = []
        for name, _, description in self._consume_fields():
            lines.append(f".. attribute:: {name}")
            if annotation := self._lookup_annotation(name):
                lines.append(f"   :type: {PATH.sub(SHORT, annotation)}")
            lines += ["", *self._indent(description, 3), ""]
        return lines

    def _consume_returns_section(
        self, preprocess_types: bool = False
    ) -> list[tuple[str, str, list[str]]]:
        """
        Take the whole section for what is returned: a colon in it ends no type.
        """
        return [("", "", self._dedent(self._consume_to_next_section()))]


def read_sections(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """
    Turn the sections of one docstring into reStructuredText.
    """
    if what in WITH_SECTIONS:
        lines[:] = Sections(lines, Config(), app, what, name, obj, options).lines()
    if isinstance(obj, type) and issubclass(obj, enum.StrEnum) and list(obj):
        lines += ["", "Values: " + ", ".join(f"``{value}``" for value in obj) + "."]


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.connect("autodoc-process-docstring", read_sections)
    return {"parallel_read_safe": True}
