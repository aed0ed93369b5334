"""
Bars that show a person that a call is working: tqdm's, where it is installed.

A library must not print into the output of a script. So bars are shown only where a person is watching: in
a notebook, and in an interactive session on a terminal; in a script on a terminal where
``CODER_AGENTS_PROGRESS`` is 1. They are never shown in a pipe or a file, never where it is 0, and only for
calls of the main thread that take longer than a second. They are written to the standard error, in a
notebook to the output of the cell, and disappear at the end of the call.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from coder_agents.render import cut_to_width, escape_controls

VARIABLE = "CODER_AGENTS_PROGRESS"

Advancing = contextlib.AbstractContextManager[Callable[[int], object]]
"""
A ``with`` statement whose body gets the function that advances a bar.
"""

_DELAY = 1.0  # seconds without a bar: most calls are faster
_TICK = 0.5  # seconds between two updates of the time
_MAX_TEXT = 60  # columns
_MAX_READ = 1_000  # characters of a text that are looked at


def in_notebook() -> bool:
    """
    Whether this process is the kernel of a notebook, or another program that shows IPython's displays.

    IPython in a terminal shows them as text that cannot be updated, so it counts as a terminal.
    """
    # A process that runs IPython has imported it.
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    if shell is None:
        return False
    terminal = sys.modules.get("IPython.terminal.interactiveshell")
    return terminal is None or not isinstance(shell, terminal.TerminalInteractiveShell)


def is_watched() -> bool:
    """
    Whether a person is watching who wants to see bars.
    """
    setting = os.environ.get(VARIABLE, "")
    if setting == "0" or threading.current_thread() is not threading.main_thread():
        return False
    if in_notebook():
        return True
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and (setting == "1" or hasattr(sys, "ps1"))


@contextlib.contextmanager
def waiting(describe: Callable[[], str], *outputs: object) -> Iterator[None]:
    """
    Show what is waited for, and for how long, in the body of the ``with`` statement.

    *describe* returns a text of any origin; a thread calls it twice a second. Nothing is shown where one
    of *outputs*, what the caller wants to be called or written to, is not None: its own output may
    be on the same screen.
    """
    if any(each is not None for each in outputs) or not is_watched():
        yield
        return
    over = threading.Event()
    ticker = threading.Thread(
        target=_tick, args=(describe, over), name="coder-agents-progress", daemon=True
    )
    try:
        ticker.start()
        yield
    finally:
        over.set()
        if ticker.is_alive():  # an interrupt may have come before the start
            ticker.join()


def _tick(describe: Callable[[], str], over: threading.Event) -> None:
    began = time.time()
    if over.wait(_DELAY):
        return
    bar = _new_bar(total=None, bar_format="{desc} [{elapsed}]", leave=False)
    if bar is None:
        return
    bar.start_t = began
    try:
        while True:
            bar.set_description_str(_short(describe()))
            if over.wait(_TICK):
                return
    finally:
        bar.close()


def transfer(text: str, size: int | None = None) -> Advancing:
    """
    Show the bytes of a transfer, in the body of the ``with`` statement, which calls the function that it
    gets with the number of each piece's bytes.

    *size* is the number of all bytes; None where it is not known.
    """
    return _advancing(total=size, **byte_options(text))


def counting(text: str, size: int) -> Advancing:
    """
    Show how many of *size* parts are done, in the body of the ``with`` statement, which calls the function
    that it gets with the number of parts that were done since the last call.
    """
    return _advancing(total=size, desc=_short(text), delay=_DELAY, leave=False)


@contextlib.contextmanager
def _advancing(**options: Any) -> Iterator[Callable[[int], object]]:
    bar = _new_bar(**options) if is_watched() else None
    if bar is None:
        yield ignore
        return
    try:
        yield bar.update
    finally:
        bar.close()


def bar_class() -> Any:
    """
    Return what creates one of tqdm's bars for a notebook or a terminal; None where tqdm is not installed.
    """
    with warnings.catch_warnings():
        # Without ipywidgets, a notebook gets bars of text, which are good enough to say nothing.
        warnings.simplefilter("ignore")
        try:
            from tqdm.asyncio import tqdm as text_bar
            from tqdm.auto import tqdm
        except ImportError:
            return None
    return _cell_bar if in_notebook() and tqdm is text_bar else tqdm


def _cell_bar(**options: Any) -> Any:
    from tqdm.std import tqdm

    return tqdm(file=CellText(), **options)


class CellText:
    """
    A line of text below a notebook's cell, as the file that a bar is written to.

    On the standard error, a bar that was cleared would leave a coloured block.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    def write(self, text: str) -> None:
        """
        Show the line after the last carriage return of *text*; other text does not change the line.
        """
        _, found, line = text.rpartition("\r")
        if not found:
            return
        # Imported only in a notebook: every client imports this module.
        from coder_agents.render.html import render_html_output

        shown = line.rstrip()
        bundle = {"text/plain": shown, "text/html": render_html_output([shown]) if shown else ""}
        if self._handle is not None:
            self._handle.update(bundle, raw=True)
        elif shown:
            from IPython.display import display

            untyped: Callable[..., Any] = display
            self._handle = untyped(bundle, raw=True, display_id=True)

    def flush(self) -> None:
        """
        Do nothing: each text is shown at once.
        """


def byte_options(text: str) -> dict[str, Any]:
    """
    Return the options of a bar that counts bytes, with *text*, of any origin, in front of it.
    """
    return {
        "desc": _short(text),
        "unit": "B",
        "unit_scale": True,
        "unit_divisor": 1024,
        "delay": _DELAY,
        "leave": False,
    }


def _new_bar(**options: Any) -> Any:
    kind = bar_class()
    return None if kind is None else kind(**options)


def _short(text: str) -> str:
    return cut_to_width(escape_controls(text[:_MAX_READ]), _MAX_TEXT)


def ignore(count: int) -> None:
    """
    Ignore *count*.
    """
