"""
Run the README's examples with those of the pages.

Each ``python`` block of the README becomes a test; a ``text`` block that follows
it at once is what it has to print, where ``...`` stands for anything.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

README = Path(__file__).resolve().parents[2] / "README.md"
FOLDER = "_generated"
EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


def directive(name: str, group: str, text: str) -> str:
    """
    Return one directive of sphinx.ext.doctest.
    """
    return f".. {name}:: {group}\n\n{textwrap.indent(text, '   ')}\n"


def write_examples(app: Sphinx) -> None:
    """
    Write the README's examples as a page, for the builder that runs examples only.
    """
    if app.builder.name != "doctest":
        return
    parts = [":orphan:\n", "README\n======\n"]
    for number, example in enumerate(EXAMPLE.finditer(README.read_text(encoding="utf-8"))):
        group = f"readme{number}"
        parts.append(directive("testcode", group, example["code"]))
        if example["output"]:
            parts.append(directive("testoutput", group, example["output"]))
    if len(parts) == 2:
        raise ExtensionError("README.md has no example to run")
    page = Path(app.srcdir, FOLDER, "readme_examples.rst")
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join(parts), encoding="utf-8")
    app.config.exclude_patterns.remove(FOLDER)


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.connect("builder-inited", write_examples)
    return {"parallel_read_safe": True}
