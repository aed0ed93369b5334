"""
The screen of one agent.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from coder_agents.cli.top.board import AgentState, Board, BoardChanges
from coder_agents.cli.top.details import details, title
from coder_agents.cli.top.live import FollowedMetadata
from coder_agents.cli.top.log_screen import LogScreen
from coder_agents.cli.top.log_view import LogView
from coder_agents.cli.top.screen import BoardScreen, Line

_TAIL = 100


class AgentScreen(BoardScreen):
    """
    Everything about one agent: its state, its metadata and ports, and its log.

    While the screen is open, the metadata is watched instead of read at intervals.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("l", "log", "Log"),
        Binding("t", "terminal", "Terminal"),
        *BoardScreen.COMMON,
    ]

    def __init__(self, state: AgentState, board: Board) -> None:
        super().__init__()
        self._state = state
        self._metadata = FollowedMetadata(state.agent, board)

    def compose(self) -> ComposeResult:
        """
        Return the widgets.
        """
        yield Line(id="summary")
        yield Line(id="problem")
        with VerticalScroll(id="upper"):
            yield Static(id="details")
        yield LogView(self._state, self.dashboard.feeds, tail=_TAIL)
        yield Footer()

    def on_mount(self) -> None:
        """
        Begin to watch the metadata.
        """
        self.dashboard.feeds.follow(self._metadata)
        self.query_one(LogView).focus()

    def on_unmount(self) -> None:
        """
        Stop watching.
        """
        self._metadata.close()

    def draw(self, changes: BoardChanges) -> None:
        """
        Draw the new lines of the log, and the agent where *changes* concern it.
        """
        if changes.notices or self._state.agent.id in changes.agents:
            self.draw_all()
        else:
            self.query_one(LogView).draw(self.dashboard.palette)

    def draw_all(self) -> None:
        """
        Draw everything.
        """
        # The last state stays on the screen of an agent that has disappeared.
        self._state = self.dashboard.board.state(self._state.agent.id) or self._state
        palette = self.dashboard.palette
        width = max(20, self.query_one("#upper").scrollable_content_region.width - 2)
        self.query_one("#summary", Line).show(title(self._state, palette))
        self.query_one("#details", Static).update(details(self._state, palette, width))
        self.query_one(LogView).draw(palette)
        self.draw_notices()

    def action_log(self) -> None:
        """
        Show the log alone.
        """
        self.app.push_screen(LogScreen(self._state))

    def action_terminal(self) -> None:
        """
        Open a terminal of the agent.
        """
        self.dashboard.open_terminal(self._state)
