"""
Check the types of the examples and notebooks in docs/ and of README.md with mypy --strict and pyright.

    python tools/typed_examples.py FOLDER

The script writes each group of examples into a file of FOLDER. Each line has the same line number in
this file as on its page, and errors are reported with the page and this number. The exit status is 1
if a type checker finds an error.

pyright runs on Node.js, which pyright's extra installs on common machines. If Node.js does not run,
the check by pyright is skipped, and the script reports this.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from myst_notebooks import notebook_paths, read_cells

CHECKOUT = Path(__file__).resolve().parents[1]
EXTENSIONS = CHECKOUT / "docs" / "extensions"

# The doctest_global_setup of conf.py. It replaces the first line of a page, which is the title.
PREPARED = "from embedded import start as _start; deployment, agent_id = _start()"

# A notebook starts its own deployment, and shows the value of a cell's last line.
NOTEBOOK = "# pyright: reportUnusedExpression=false"

DIRECTIVE = re.compile(
    r"^\.\. (?P<kind>testsetup|testcode|testcleanup|code-block):: *(?P<name>.*)$"
)
FENCED = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

START_SECONDS = 120
MYPY_SETTINGS = """\
[mypy]
strict = True
[mypy-coder_agents.*]
follow_imports = silent
[mypy-embedded]
follow_imports = silent
"""


class Page:
    """
    A page and the files of its examples.

    Args:
        path: the path of the page.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self._first_line = NOTEBOOK if path in notebook_paths() else PREPARED
        self._groups: dict[str, list[str]] = {}

    def add(self, group: str, line: int, code: str) -> None:
        """
        Add *code* to *group*. *line* is the number of its first line on the page, counted from 0.
        """
        lines = self._groups.setdefault(group, [self._first_line])
        lines += [""] * (line - len(lines)) + code.splitlines()

    def files(self) -> dict[str, str]:
        """
        Return a mapping from the name of each file to its text.
        """
        stem = re.sub(r"\W", "_", self.path.stem)
        return {
            f"{stem}__{group}.py": "\n".join(lines) + "\n" for group, lines in self._groups.items()
        }


def read_page(path: Path) -> Page:
    """
    Return the page at *path* with its examples, in the groups of doctest; a notebook is one group.
    """
    page = Page(path)
    if path in notebook_paths():
        for cell in read_cells(page.text):
            if cell.is_code:
                page.add("notebook", cell.line, cell.source)
        return page
    if path.suffix == ".md":
        for number, example in enumerate(FENCED.finditer(page.text)):
            line = page.text[: example.start("code")].count("\n")
            page.add(f"example{number}", line, example["code"])
        return page
    for line, directive, body in directives(page.text):
        kind, name = directive["kind"], directive["name"].strip()
        if kind == "code-block":
            if name == "python":
                page.add(f"block{line}", line, body)
        else:
            page.add(re.sub(r"\W", "_", name) or "default", line, body)
    return page


def directives(text: str) -> Iterator[tuple[int, re.Match[str], str]]:
    """
    Yield for each directive of *text* the first line of the body, counted from 0, the directive, and
    the body.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines):
        directive = DIRECTIVE.match(line)
        if directive is None:
            continue
        begin = number + 1
        while begin < len(lines) and re.match(r" +:\w", lines[begin]):
            begin += 1
        while begin < len(lines) and not lines[begin]:
            begin += 1
        end = begin
        while end < len(lines) and (not lines[end] or lines[end].startswith(" ")):
            end += 1
        yield begin, directive, textwrap.dedent("\n".join(lines[begin:end]))


def write_examples(folder: Path) -> dict[str, str]:
    """
    Write the files to *folder*; return a mapping from the name of each file to its page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    origins = {}
    pages = [*sorted((CHECKOUT / "docs").glob("*.rst")), *notebook_paths()]
    for path in [CHECKOUT / "README.md", *pages]:
        for name, text in read_page(path).files().items():
            (folder / name).write_text(text, encoding="utf-8")
            origins[name] = path.relative_to(CHECKOUT).as_posix()
    return origins


def at_home(output: str, origins: dict[str, str]) -> str:
    """
    Return *output* with the names of the pages in place of those of the files.
    """
    return re.sub(
        r"[^\s:]*?(\w+__\w+\.py)\b", lambda found: origins.get(found[1], found[0]), output
    )


def run(*command: str, folder: Path, timeout: float | None = None) -> tuple[int, str]:
    """
    Return the exit status and the output of a Python module, run in *folder*.
    """
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout


def mypy(folder: Path) -> tuple[int, str]:
    """
    Return the exit status and the output of mypy.
    """
    paths = f"mypy_path = {CHECKOUT}:{EXTENSIONS}\n"
    settings = MYPY_SETTINGS.replace("strict = True\n", f"strict = True\n{paths}")
    (folder / "mypy.ini").write_text(settings, encoding="utf-8")
    cache = str(folder.parent / "mypy_cache")
    return run("mypy", "--config-file", "mypy.ini", "--cache-dir", cache, ".", folder=folder)


def pyright(folder: Path) -> tuple[int, str]:
    """
    Return the exit status and the output of pyright; the status is 0 if pyright does not run.
    """
    settings = {"include": ["."], "extraPaths": [str(CHECKOUT), str(EXTENSIONS)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    try:
        status, output = run("pyright", "--version", folder=folder, timeout=START_SECONDS)
    except subprocess.TimeoutExpired:
        status, output = 1, f"no answer after {START_SECONDS} seconds"
    if status:
        reason = output.strip().splitlines()[-1:]
        return 0, f"SKIPPED: it does not run on this machine: {''.join(reason)}"
    return run("pyright", "--pythonpath", sys.executable, folder=folder)


def main() -> int:
    """
    Check all examples and return the exit status.
    """
    folder = Path(sys.argv[1]).resolve()
    origins = write_examples(folder)
    failed = False
    for name, check in (("mypy --strict", mypy), ("pyright", pyright)):
        status, output = check(folder)
        print(f"{name}: {at_home(output, origins).strip()}")
        failed = failed or status != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
