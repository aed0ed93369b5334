"""
A JupyterLab of the checkout's notebooks, with nothing from the user's settings.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from myst_notebooks import CHECKOUT, Cell, notebook_paths, read_cells

START_SECONDS = 120

_ROLE = re.compile(r"\{\w+\}`\.?([^`]+)`")  # a reference in MyST, which JupyterLab does not know

SETTINGS = {
    # Cells outside of the window are drawn, too: a picture shows all of them.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


def write_notebooks(folder: Path) -> list[str]:
    """
    Write the notebooks of the documentation to *folder* as Jupyter's files; return their names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for path in notebook_paths():
        names.append(f"{path.stem}.ipynb")
        write_notebook(folder / names[-1], read_cells(path.read_text(encoding="utf-8")))
    return names


def write_notebook(path: Path, cells: Iterable[Cell]) -> None:
    """
    Write *cells* to *path* as a notebook of Jupyter.
    """
    document = {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [_cell(each) for each in cells],
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def _cell(cell: Cell) -> dict[str, object]:
    if cell.is_code:
        parts: dict[str, object] = {"execution_count": None, "outputs": []}
        return {"cell_type": "code", "metadata": {}, "source": cell.source, **parts}
    source = _ROLE.sub(r"`\1`", cell.source)
    return {"cell_type": "markdown", "metadata": {}, "source": source}


@contextlib.contextmanager
def running_lab(folder: Path) -> Iterator[tuple[str, str]]:
    """
    Run JupyterLab with the notebooks of *folder*; yield its URL and its token.

    Raises *RuntimeError* where JupyterLab does not start.
    """
    token = secrets.token_urlsafe(16)
    url = f"http://127.0.0.1:{_free_port()}"
    own = folder.parent / "jupyter"
    for name, settings in SETTINGS.items():
        path = own / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    with (own / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                f"--ServerApp.root_dir={folder}",
                f"--ServerApp.port={url.rpartition(':')[2]}",
                "--ServerApp.port_retries=0",
                "--LabApp.expose_app_in_browser=True",
            ],
            env=_environment(own, token),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, f"{url}/api?token={token}", own / "server.log")
            yield url, token
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _environment(own: Path, token: str) -> dict[str, str]:
    """
    Return the environment of JupyterLab and its kernels, without the user's settings.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CODER_", "JUPYTER"))}
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            opener.open(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start; the end of {log}:\n{log.read_text()[-2000:]}")
