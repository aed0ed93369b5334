"""
Open the notebooks of the documentation in JupyterLab in a real browser without a window.

    python tools/browser.py FOLDER

The script runs each notebook, and takes pictures of it in the light and in the dark theme, and 700 pixels
wide, into FOLDER. It also runs live views, presses the stop button, and checks that the kernel can be
used, that no connection is left, and that the traceback has at most 15 lines. The exit status is 1 where
a check fails, and 2 where Chromium is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from jupyter_lab import running_lab, write_notebook, write_notebooks
from myst_notebooks import NOTEBOOKS, Cell, read_cells
from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "make browser needs Chromium or Chrome. Install it, for example with: apt-get install chromium\n"
    "Or set CHROMIUM to the path of the program."
)

METADATA = NOTEBOOKS / "metadata.md"

MAX_TRACEBACK = 15  # lines
SECONDS = 120
MILLISECONDS = 1000
WIDE, NARROW = 1200, 700  # pixels
MAX_HEIGHT = 12_000

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

STOP_BUTTON = "[data-command='notebook:interrupt-kernel'] >> visible=true"

# The cells before them: no command, whose control shell would stay connected for some seconds.
PREPARED = """\
from coder_agents import Client

client = Client.from_env()
agent = client.wait_ready("dev")"""

# Cells that run until the stop button is pressed.
ENDLESS = {
    "metadata_view": "agent.metadata_view()",
    "logs_view": "agent.logs_view()",
    "top": "client.top()",
    "record_metadata": "agent.record_metadata(seconds=600)",
    "stream": "with agent.watch_metadata() as stream:\n    for items in stream:\n        print(len(items))",
}
COUNT = "print('open:', deployment.connections.open - deployment.connections.idle)"

# Each returns a part of the notebook that is shown.
CELLS = "jupyterapp.shell.currentWidget.content.widgets"
IS_OPEN = "() => window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 1"
IS_CONNECTED = (
    "() => jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status === 'idle'"
)
IS_DONE = f"""() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle' && {CELLS}
    .every(cell => cell.model.type !== 'code' || cell.model.executionState !== 'running')"""
OUTPUTS = f"() => {CELLS}.flatMap(cell => cell.model.outputs?.toJSON() ?? [])"
LAST_OUTPUTS = f"() => {CELLS}.at(-1).model.outputs.toJSON()"
HEIGHT = (
    f"() => {CELLS}.reduce((sum, cell) => sum + cell.node.getBoundingClientRect().height + 10, 0)"
)
SCROLL_TO_TOP = """() => {
    jupyterapp.shell.currentWidget.content.activeCellIndex = 0;
    document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0;
}"""
COMMAND = "([name, options]) => jupyterapp.commands.execute(name, options)"
ADD_CELL = """async source => {
    const content = jupyterapp.shell.currentWidget.content;
    content.activeCellIndex = content.widgets.length - 1;
    await jupyterapp.commands.execute('notebook:insert-cell-below');
    content.activeCell.model.sharedModel.setSource(source);
    content.activeCell.node.scrollIntoView();
    jupyterapp.commands.execute('notebook:run-cell');
}"""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Checks:
    """
    The checks so far; each is printed at once.
    """

    def __init__(self) -> None:
        self.failed = False

    def check(self, name: str, is_right: bool, detail: object = "") -> None:
        """
        Print whether the check *name* has succeeded.
        """
        self.failed |= not is_right
        print(f"{'ok    ' if is_right else 'FAILED'} {name}  {detail}".rstrip(), flush=True)


def find_browser() -> str | None:
    """
    Return the path of Chromium or Chrome; None where neither is installed.
    """
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


class Lab:
    """
    A page of the browser with JupyterLab.
    """

    def __init__(self, page: Page, url: str, token: str) -> None:
        self.page = page
        self._url, self._token = url, token

    def open(self, name: str) -> None:
        """
        Open the notebook *name*, and wait for its kernel.
        """
        self.page.goto(f"{self._url}/doc/tree/{name}?token={self._token}&reset")
        self._wait_for(IS_OPEN)
        self._wait_for(IS_CONNECTED)

    def command(self, name: str, **options: object) -> None:
        """
        Run a command of JupyterLab.
        """
        self.page.evaluate(COMMAND, [name, options])

    def run_all(self) -> list[dict[str, Any]]:
        """
        Run all cells; return their outputs.
        """
        self.command("notebook:run-all-cells")
        self._wait_for(IS_DONE)
        outputs: list[dict[str, Any]] = self.page.evaluate(OUTPUTS)
        return outputs

    def begin(self, source: str) -> None:
        """
        Add a cell with *source* to the end, and run it.
        """
        self.page.evaluate(ADD_CELL, source)

    def last_outputs(self) -> list[dict[str, Any]]:
        """
        Return the outputs of the last cell.
        """
        outputs: list[dict[str, Any]] = self.page.evaluate(LAST_OUTPUTS)
        return outputs

    def run(self, source: str) -> str:
        """
        Run *source* in a new cell; return what it prints.
        """
        self.begin(source)
        self._wait_for(f"() => {CELLS}.at(-1).model.executionCount !== null")
        self._wait_for(IS_DONE)
        return "".join(str(each.get("text", each)) for each in self.last_outputs())

    def wait_running(self) -> None:
        """
        Wait until the last cell runs, and for a second of its output.
        """
        busy = (
            "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
        )
        self._wait_for(busy)
        self.page.wait_for_timeout(1.0 * MILLISECONDS)

    def stop(self) -> None:
        """
        Press the stop button, and wait until the kernel is idle.
        """
        self.page.locator(STOP_BUTTON).first.click()
        self._wait_for(IS_DONE)

    def picture(self, path: Path, *, theme: str, width: int) -> None:
        """
        Take a picture of the whole notebook, in *theme* and with *width* pixels.
        """
        self.command("apputils:change-theme", theme=THEMES[theme])
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.wait_for_timeout(MILLISECONDS)
        height = min(MAX_HEIGHT, round(self.page.evaluate(HEIGHT)) + 250)
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.evaluate(SCROLL_TO_TOP)
        self.page.wait_for_timeout(MILLISECONDS)
        self.page.screenshot(path=path)

    def _wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition, timeout=SECONDS * MILLISECONDS)


def check_notebook(lab: Lab, name: str, folder: Path, checks: Checks) -> None:
    """
    Run the notebook *name*, and take its pictures.
    """
    lab.open(name)
    outputs = lab.run_all()
    wrong = [
        each for each in outputs if each["output_type"] == "error" or each.get("name") == "stderr"
    ]
    checks.check(f"{name}: every cell runs", bool(outputs) and not wrong, wrong or "")
    for theme, width in (("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)):
        lab.picture(folder / f"{Path(name).stem}-{theme}-{width}.png", theme=theme, width=width)


def check_stop_button(lab: Lab, folder: Path, checks: Checks) -> None:
    """
    Press the stop button while each endless cell runs.
    """
    first = next(each for each in read_cells(METADATA.read_text("utf-8")) if each.is_code)
    name = "stop_button.ipynb"
    write_notebook(folder / "notebooks" / name, [first, Cell(PREPARED, is_code=True, line=0)])
    lab.open(name)
    lab.run_all()
    before = lab.run(COUNT)
    for name, source in ENDLESS.items():
        lab.begin(source)
        lab.wait_running()
        is_running = lab.page.evaluate(IS_DONE) is False
        lab.stop()
        outputs = lab.last_outputs()
        errors = ["\n".join(each.get("traceback", [])) for each in outputs if "traceback" in each]
        lines = sum(len(_ANSI.sub("", each).splitlines()) for each in errors)
        checks.check(f"{name}: runs until the button is pressed", is_running)
        checks.check(f"{name}: traceback", lines <= MAX_TRACEBACK, f"{lines} lines")
        checks.check(f"{name}: the kernel can be used", lab.run("print(6 * 7)") == "42\n")
        after = lab.run(COUNT)
        checks.check(f"{name}: no connection is left", after == before, after.strip())
    lab.picture(folder / "stopped-dark.png", theme="dark", width=WIDE)


def run_checks(browser: str, folder: Path) -> bool:
    """
    Run all checks, with pictures in *folder*; return whether one has failed.
    """
    checks = Checks()
    notebooks = folder / "notebooks"
    names = write_notebooks(notebooks)
    with running_lab(notebooks) as (url, token), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        lab = Lab(chromium.new_page(), url, token)
        for name in names:
            check_notebook(lab, name, folder, checks)
        check_stop_button(lab, folder, checks)
        chromium.close()
    return checks.failed


def main() -> int:
    """
    Run the checks and return the exit status.
    """
    folder = Path(sys.argv[1]).resolve()
    browser = find_browser()
    if browser is None:
        print(MISSING, file=sys.stderr)
        return 2
    failed = run_checks(browser, folder)
    print(f"pictures: {folder}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
