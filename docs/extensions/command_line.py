"""
The page of the command line, from the commands themselves.

``click-commands`` writes a section for each command, ``exit-codes`` the list of the exit codes.
``terminal-picture`` runs a command line against an embedded deployment, and draws what a terminal shows.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import click
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from coder_agents.cli import exits
from coder_agents.cli.program import run
from coder_agents.cli.root import COMMANDS, NAME, root

FOLDER = "_generated"
SPECIAL = re.compile(r"([\\*`|_])")
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]*[a-z])")
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
LITERAL = "\b\n"  # how click marks a paragraph whose lines stay as they are


class ClickCommands(SphinxDirective):
    """
    Writes a section for each command.
    """

    def run(self) -> list[nodes.Node]:
        """
        Return the sections.
        """
        return parsed(self, "\n".join(commands()))


class ExitCodes(SphinxDirective):
    """
    Writes what each exit code means.
    """

    def run(self) -> list[nodes.Node]:
        """
        Return the table.
        """
        lines = [".. list-table::", "   :widths: 10 90", ""]
        for code, text in exits.CODES.items():
            lines += [f"   * - {code}", f"     - {escaped(text)}"]
        return parsed(self, "\n".join(lines))


class TerminalPicture(SphinxDirective):
    """
    Draws what a terminal shows of a command line.
    """

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {
        "alt": directives.unchanged_required,
        "columns": directives.positive_int,
    }

    def run(self) -> list[nodes.Node]:
        """
        Return the picture; nothing for a builder that has no pictures.
        """
        if self.env.app.builder.format != "html":
            return []
        line = self.arguments[0]
        name = f"{re.sub(r'[^a-z]+', '_', line)}.svg"
        path = Path(self.env.srcdir, FOLDER, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture(line, self.options.get("columns", 80)), encoding="utf-8")
        return [nodes.image(uri=f"/{FOLDER}/{name}", alt=self.options["alt"], width="100%")]


def parsed(directive: SphinxDirective, text: str) -> list[nodes.Node]:
    """
    Return the nodes of *text*, in place of *directive*.
    """
    source, _ = directive.get_source_info()
    container = nodes.Element()
    nested_parse_with_titles(directive.state, StringList(text.splitlines(), source), container)
    return list(container.children)


def commands() -> Iterator[str]:
    """
    Yield the lines that describe all commands.
    """
    for chapter, names in COMMANDS.items():
        yield from (chapter, "~" * len(chapter), "")
        for name in names:
            yield from description(name)


def description(name: str) -> Iterator[str]:
    """
    Yield the lines that describe the command *name*.
    """
    parent = click.Context(root, info_name=NAME, **root.context_settings)
    command = root.get_command(parent, name)
    if command is None:
        raise ExtensionError(f"there is no command {name}")
    context = click.Context(command, info_name=name, parent=parent)
    title = f"{NAME} {name}"
    yield from (title, "^" * len(title), "", ".. code-block:: text", "")
    yield from (f"   {' '.join(command.get_usage(context).split()[1:])}", "")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from described(paragraph)
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            names, text = option.get_help_record(context) or ("", "")
            # What click adds in brackets is for a terminal.
            text = re.sub(r"\s+\[.*\]$", "", text)
            yield from (f"``{names}``", f"   {escaped(text)}", "")


def escaped(text: str) -> str:
    """
    Return *text* with what would be markup escaped, and with options as literals.
    """
    return OPTION.sub(r"``\1``", SPECIAL.sub(r"\\\1", text))


def described(paragraph: str) -> Iterator[str]:
    """
    Yield the lines of a *paragraph* of a help.
    """
    if paragraph.startswith(LITERAL):
        yield from (".. code-block:: text", "")
        yield from (f"   {line}" for line in paragraph.removeprefix(LITERAL).splitlines())
    else:
        yield escaped(" ".join(paragraph.split()))
    yield ""


class Terminal(io.StringIO):
    """
    A terminal to which a command writes.
    """

    def isatty(self) -> bool:
        """
        Whether it is a terminal.
        """
        return True


def picture(line: str, columns: int) -> str:
    """
    Return an SVG image of a terminal of *columns* in which the command *line* has run.

    Raises *ExtensionError* where the command fails.
    """
    from rich.console import Console
    from rich.text import Text

    screen = Terminal()
    words = shlex.split(line)
    with (
        deployment(columns),
        contextlib.redirect_stdout(screen),
        contextlib.redirect_stderr(screen),
    ):
        status = run(words[1:])
    if status:
        raise ExtensionError(f"{line}: exit code {status}: {screen.getvalue()}")
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {line}", style="bold"))
    console.print(Text.from_ansi(screen.getvalue().rstrip("\n")))
    drawn = console.export_svg(title=NAME, unique_id=re.sub(r"\W+", "-", line))
    # The fonts would be fetched from another host.
    return FONTS.sub("", drawn)


@contextlib.contextmanager
def deployment(columns: int) -> Iterator[None]:
    """
    Let a command find a small deployment, and a terminal of *columns*.
    """
    from coder_agents.testing import Deployment

    with Deployment() as embedded:
        agent = embedded.add_agent()
        agent.push_logs(["\x1b[36mInstalling\x1b[0m dependencies", "\x1b[32mReady\x1b[0m to work"])
        agent.push_logs(["no cache found: the next start will be faster"], level="warn")
        agent.set_metadata("cpu", "38%")
        agent.set_metadata("memory", "3.2/16 GiB")
        embedded.add_agent("gpu", workspace="train").set_metadata("gpu", "91%")
        embedded.workspace("api").start_build("stop").complete()
        environment = {
            "CODER_URL": embedded.url,
            "CODER_SESSION_TOKEN": embedded.token,
            "COLUMNS": str(columns),
            "TERM": "xterm-256color",
            "NO_COLOR": "",
        }
        with mock.patch.dict(os.environ, environment):
            yield


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Take part in the build.
    """
    app.add_directive("click-commands", ClickCommands)
    app.add_directive("exit-codes", ExitCodes)
    app.add_directive("terminal-picture", TerminalPicture)
    return {"parallel_read_safe": True}
