"""
The screen of one agent's log.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from coder_agents.cli.top.board import AgentState, BoardChanges
from coder_agents.cli.top.cells import one_line
from coder_agents.cli.top.log_view import LogView
from coder_agents.cli.top.order import full_label
from coder_agents.cli.top.screen import BoardScreen, Line

_TAIL = 1000


class LogScreen(BoardScreen):
    """
    The last lines of an agent's log, and new lines as they come.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("t", "terminal", "Terminal"),
        *BoardScreen.COMMON,
    ]

    def __init__(self, state: AgentState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        """
        Return the widgets.
        """
        yield Line(id="summary")
        yield Line(id="problem")
        yield LogView(self._state, self.dashboard.feeds, tail=_TAIL)
        yield Footer()

    def on_mount(self) -> None:
        """
        Begin at the log.
        """
        self.query_one(LogView).focus()

    def draw(self, changes: BoardChanges) -> None:
        """
        Draw the new lines.
        """
        self.draw_all()

    def draw_all(self) -> None:
        """
        Draw everything.
        """
        palette = self.dashboard.palette
        state = self.dashboard.board.state(self._state.agent.id) or self._state
        symbol, style = palette.of_state(state.word)
        title = Text(no_wrap=True, overflow="ellipsis")
        title.append(f"{symbol} ", style)
        title.append(f"The log of {one_line(full_label(state))}", "bold")
        self.query_one("#summary", Line).show(title)
        self.query_one(LogView).draw(palette)
        self.draw_notices()

    def action_terminal(self) -> None:
        """
        Open a terminal of the agent.
        """
        self.dashboard.open_terminal(self._state)
