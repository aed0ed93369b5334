"""
The screen that explains the keys.
"""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = (
    ("↑ ↓ PgUp PgDn", "select an agent"),
    ("Enter", "show everything about the agent"),
    ("l", "show the agent's log"),
    ("t", "open a terminal of the agent; ~. leaves it"),
    ("s", "sort by the next column"),
    ("r", "reverse the order"),
    ("/", "filter by name or state; Escape clears the filter"),
    ("F5", "read the list of agents now"),
    ("d", "change between light and dark"),
    ("Escape", "go back"),
    ("Ctrl-Z", "suspend; fg in the shell continues"),
    ("q", "quit"),
)
"""
The keys, and what they do.
"""

SYMBOLS = (
    ("●", "ready"),
    ("◐", "starting, or too slow"),
    ("✗", "failed, or not connected"),
    ("○", "off, or gone"),
)
"""
The symbols of the states.
"""


class HelpScreen(ModalScreen[None]):
    """
    The keys, and the symbols of the states.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter", "app.pop_screen", "Back"),
        Binding("q", "app.leave", "Quit"),
    ]

    def compose(self) -> ComposeResult:
        """
        Return the widgets.
        """
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for key, meaning in (*KEYS, ("", ""), *SYMBOLS):
            table.add_row(Text(key), Text(meaning))
        with VerticalScroll(id="help"):
            yield Static(table)
