"""
The notebooks of the documentation, cell by cell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from jupyter_lab import write_notebook
from matplotlib import pyplot
from myst_notebooks import Cell, notebook_paths, read_cells
from traitlets.config import Config

from coder_agents.testing import Deployment

matplotlib.use("Agg")

NOTEBOOK = """\
---
file_format: mystnb
---

# A title

```{code-cell} python
:tags: [hide-input]
:mystnb:
:  code_prompt_show: "Show"

first = 1

second = 2
```

Between.

```{code-cell} python
first
```
"""


def test_a_notebook_is_read_as_cells() -> None:
    """
    The front matter and the options are no cells, and each cell has its line on the page.
    """
    assert read_cells(NOTEBOOK) == [
        Cell("# A title", is_code=False, line=4),
        Cell("first = 1\n\nsecond = 2", is_code=True, line=11),
        Cell("Between.", is_code=False, line=16),
        Cell("first", is_code=True, line=19),
    ]
    assert read_cells("Only text.\n") == [Cell("Only text.", is_code=False, line=0)]


def test_a_notebook_is_written_for_jupyter(tmp_path: Path) -> None:
    """
    A reference of Sphinx becomes the name in it, and no cell has an output yet.
    """
    path = tmp_path / "one.ipynb"
    text = Cell("{meth}`.Client.top` shows `dev`.", is_code=False, line=0)
    write_notebook(path, [text, Cell("client.top()", is_code=True, line=2)])
    written = json.loads(path.read_text("utf-8"))
    markdown, code = written["cells"]
    assert markdown["source"] == "`Client.top` shows `dev`."
    assert (code["source"], code["outputs"]) == ("client.top()", [])
    assert written["metadata"]["kernelspec"]["name"] == "python3"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Any]:
    """
    IPython in this process, in an environment without the settings of Coder's command.
    """
    config = Config()
    config.HistoryManager.enabled = False
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CODER_")}
    with mock.patch.dict(os.environ, clean | {"CODER_CONFIG_DIR": str(tmp_path)}, clear=True):
        made = InteractiveShell.instance(ipython_dir=str(tmp_path), config=config)
        publisher: Any = CapturingDisplayPublisher
        made.display_pub = publisher()
        yield made
        InteractiveShell.clear_instance()
        pyplot.close("all")


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_each_cell_runs_without_a_warning_and_leaves_nothing_open(
    path: Path, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The cells run in their order, with warnings as errors; at the end no connection is in use.
    """
    cells = [each.source for each in read_cells(path.read_text("utf-8")) if each.is_code]
    try:
        for source in cells:
            shell.run_cell(source, store_history=True).raise_error()
        deployment, client = shell.user_ns["deployment"], shell.user_ns["client"]
        client.close()
        assert deployment.connections.wait_open(0)
        printed = capsys.readouterr()
        assert printed.err == ""
        assert deployment.token not in printed.out + repr(shell.display_pub.outputs)
    finally:
        closed = shell.user_ns.get("deployment")
        if isinstance(closed, Deployment):
            closed.close()


def test_only_the_first_cell_uses_the_embedded_deployment() -> None:
    """
    The other cells run unchanged against a real deployment.
    """
    for path in notebook_paths():
        first, *others = [each for each in read_cells(path.read_text("utf-8")) if each.is_code]
        assert "Deployment(" in first.source
        for each in others:
            assert "deployment" not in each.source
            assert "testing" not in each.source
