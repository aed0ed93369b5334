"""
What the pages of the documentation show, and how its examples and pictures are made.
"""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typed_examples
from demo_picture import Terminal, draw, picture_of
from exception_links import PYTHON, link_exceptions, page_of
from myst_notebooks import notebook_paths

import coder_agents
from coder_agents import CoderError, StreamEnd
from coder_agents.demo.screen import Screen

from .checkout import CHECKOUT

DOCS = CHECKOUT / "docs"
INDEX = (DOCS / "index.rst").read_text(encoding="utf-8")
PICTURE = DOCS / "_static" / "demo.svg"
EXAMPLE = re.compile(
    r"\.\. testcode::|\.\. code-block:: python$|```python$|```\{code-cell\} python$"
)
PAGES = [*sorted(DOCS.glob("*.rst")), *notebook_paths(), CHECKOUT / "README.md"]


def reading_order() -> list[str]:
    """
    Return the names of the pages as the front page lists them.
    """
    listed = INDEX.partition(".. toctree::")[2]
    return re.findall(r"^   ([a-z_/]+)$", listed, re.MULTILINE)


def read(page: str) -> str:
    """
    Return the text of the page that the front page lists as *page*.
    """
    path = DOCS / f"{page}.rst"
    return (path if path.exists() else DOCS / f"{page}.md").read_text(encoding="utf-8")


def test_front_page_groups_every_chapter() -> None:
    """
    The front page lists every page in one of the chapters, so that each page is one click away.
    """
    captions = re.findall(r":caption: (.+)", INDEX)
    assert captions == [
        "Start",
        "Agents",
        "Several agents",
        "Commands and files",
        "Notebooks and exports",
        "Command line",
        "Reliability",
        "Tests",
        "Reference",
    ]
    included = {
        "batch_table",
        "bench_table",
        "commands_table",
        "faults_table",
        "fleet_table",
        "soak_report",
        "index",
    }
    pages = {path.stem for path in DOCS.glob("*.rst")} - included
    notebooks = {f"notebooks/{path.stem}" for path in notebook_paths()}
    assert sorted(reading_order()) == sorted(pages | notebooks)


@pytest.mark.parametrize("page", [DOCS / "index.rst", CHECKOUT / "README.md"], ids=lambda p: p.name)
def test_front_page_shows_in_five_lines_and_one_picture_what_it_does(page: Path) -> None:
    """
    The first example has five lines, and the picture is the demo's.
    """
    first = next(iter(typed_examples.read_page(page).files().values()))
    example = first.partition(typed_examples.PREPARED)[2].strip("\n")
    assert len(example.splitlines()) == 5
    assert "follow_logs" in example
    assert page.read_text(encoding="utf-8").count("_static/demo.svg") == 1


def test_close_codes_are_explained_where_they_first_occur() -> None:
    """
    The first mention of each, in the order in which the pages are read, says what it means.
    """
    text = "\n".join(map(read, reading_order()))
    codes = set(re.findall(r"\b10(?:0\d|1[0-5])\b", text))
    assert {"1000", "1001", "1011"} <= codes
    for code in sorted(codes):
        first = re.search(rf"\b{code}\b", text)
        assert first is not None
        assert re.match(r"\s+\([a-z]", text[first.end() :]), f"{code} is not explained"


def test_readme_is_short() -> None:
    """
    It has less than 150 lines; the pages have the rest.
    """
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.rst")), ids=lambda path: path.name)
def test_no_first_cell_is_cut_into_two_rows(page: Path) -> None:
    """
    Text in the first column begins a row, so a cell of that column cannot continue in the next line.
    """
    for block in page.read_text(encoding="utf-8").split("\n\n"):
        if border := re.match(r"(=+) +=[ =]*\n", block):
            cells = [line[: len(border[1])].rstrip() for line in block.splitlines()]
            assert [cell for cell in cells if cell.endswith(",")] == []


def test_page_on_errors_lists_every_error() -> None:
    """
    Each exception that the package exports has a row.
    """
    exported = {
        name
        for name in coder_agents.__all__
        if isinstance(each := getattr(coder_agents, name), type) and issubclass(each, CoderError)
    }
    listed = re.findall(r"^(?:└ )?`(\w+Error)`", read("errors"), re.MULTILINE)
    assert set(listed) == exported - {"CoderError"}


def test_page_on_ends_lists_every_reason() -> None:
    """
    Each member of StreamEnd has a row.
    """
    listed = re.findall(r"^`StreamEnd\.(\w+)`", read("ending"), re.MULTILINE)
    assert sorted(listed) == sorted(StreamEnd.__members__)


@pytest.mark.parametrize(
    ("line", "linked"),
    [
        (
            "Raises *NotFoundError* or *ValueError*, with",
            ":exc:`NotFoundError` or :exc:`ValueError`",
        ),
        ("*KeyboardInterrupt*", ":exc:`KeyboardInterrupt`"),
        ("*timeout* is in seconds", "*timeout* is in seconds"),
        ("**TypeError** and a*b*Error*", "**TypeError** and a*b*Error*"),
    ],
)
def test_exceptions_in_docstrings_become_links(line: str, linked: str) -> None:
    """
    Arguments are written in asterisks, too: those stay as they are.
    """
    assert linked in link_exceptions([line])[0]


def test_an_exception_of_python_leads_to_its_documentation() -> None:
    """
    One of this package is found in the reference instead; other names are no exceptions.
    """
    assert page_of("ValueError") == f"{PYTHON}ValueError"
    for other in ("NotFoundError", "print", "int", "nothing"):
        assert page_of(other) is None


def test_every_exception_is_linked_wherever_a_public_docstring_names_it() -> None:
    """
    No docstring writes one in another form, which the build would not see.
    """
    for path in sorted((CHECKOUT / "coder_agents").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?<!`)``\w+Error``(?!`)", text) == [], path.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_each_example_is_checked_where_it_stands(page: Path) -> None:
    """
    Every example of a page is in a file, each line in the line that it has on the page.
    """
    found = typed_examples.read_page(page)
    lines = found.text.splitlines()
    checked = set()
    for text in found.files().values():
        for number, line in enumerate(text.splitlines()):
            if number and line:
                assert lines[number].strip() == line.strip()
                checked.add(number)
    directives = {number for number, line in enumerate(lines) if EXAMPLE.match(line)}
    # The code begins after the directive, its options and an empty line.
    for number in directives:
        assert checked.intersection(range(number + 1, number + 7)), lines[number]


def test_what_a_type_checker_finds_is_reported_with_the_page() -> None:
    """
    The files that were made are nobody's to mend.
    """
    origins = {"logs__chosen.py": "docs/logs.rst"}
    found = "logs__chosen.py:12: error: no\n/a/b/logs__chosen.py:13:4 - error: no"
    wanted = "docs/logs.rst:12: error: no\ndocs/logs.rst:13:4 - error: no"
    assert typed_examples.at_home(found, origins) == wanted


def written(screen: Screen) -> list[str]:
    """
    Return what a terminal shows of what was written to *screen*.
    """
    assert isinstance(screen.out, io.StringIO)
    terminal = Terminal()
    terminal.write(screen.out.getvalue().replace("\n", "\r\n"))
    return terminal.text()


def test_picture_shows_what_a_terminal_shows() -> None:
    """
    What is written in place of other lines takes their place.
    """
    screen = Screen(io.StringIO(), live=True, colour=True)
    screen.progress("starting, 0 lines")
    screen.line("one")
    screen.in_place(["a 1", "b 1"])
    screen.in_place(["a 22", "b"])
    screen.line("\x1b[31mred\x1b[m, \x1b[1;38;5;7mbold")
    assert written(screen) == ["one", "a 22", "b", "red, bold", ""]


def test_picture_is_an_image_of_lines() -> None:
    """
    With colours, and whatever the text holds.
    """
    terminal = Terminal()
    terminal.write("plain \x1b[1mbold\x1b[m \x1b[31m<red> & so\x1b[m\x1b[5A\r\n")
    image = ElementTree.fromstring(draw(terminal.rows, title="a <title>"))
    texts = {each.text: each.attrib for each in image.iter() if each.tag.endswith("text")}
    assert set(texts) == {"plain ", "bold", "<red> & so"}
    assert texts["bold"]["font-weight"] == "bold"
    assert texts["<red> & so"]["fill"].startswith("#")


def test_picture_ends_before_what_this_machine_listens_on() -> None:
    """
    It shows the log and the metadata.
    """
    text = "A\r\n\r\nPorts on which something listens\r\n22"
    assert "22" not in picture_of(text).partition("<title>")[2].replace('y="', "")


def test_picture_of_the_documentation_is_the_demo() -> None:
    """
    It needs nothing from the network, and names no folder of the machine that drew it.
    """
    text = PICTURE.read_text(encoding="utf-8")
    image = ElementTree.fromstring(text)
    shown = " ".join(each.text or "" for each in image.iter())
    for part in (
        "$ make demo",
        "The agent is ready.",
        "Load",
        "This is Linux on",
        "The return code is 7",
    ):
        assert part in shown
    assert set(re.findall(r"(?<![\w.])/\w+", shown)) == {"/usr"}
    assert re.findall(r"(?:https?:)?//(?!www\.w3\.org)", text) == []
    assert "Traceback" not in shown


def test_a_check_that_does_not_run_is_skipped_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where pyright's Node.js fails, or hangs, the reason is there, and the build goes on.
    """

    def fail(*command: str, **_: Any) -> tuple[int, str]:
        return 1, "Traceback ...\nError: no Node.js\n"

    def hang(*command: str, **_: Any) -> tuple[int, str]:
        raise subprocess.TimeoutExpired(command, 120)

    for run, reason in ((fail, "Error: no Node.js"), (hang, "no answer after 120 seconds")):
        monkeypatch.setattr(typed_examples, "run", run)
        status, output = typed_examples.pyright(tmp_path)
        assert (status, output) == (0, f"SKIPPED: it does not run on this machine: {reason}")
