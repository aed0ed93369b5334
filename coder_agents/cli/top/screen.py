"""
The common part of the screens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from coder_agents.cli.top.board import BoardChanges
from coder_agents.cli.top.cells import one_line

if TYPE_CHECKING:
    from coder_agents.cli.top.app import Dashboard

_MAX_NOTICES = 3


class Line(Static):
    """
    Text that is laid out again only where it changes.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Text()

    def show(self, text: Text) -> None:
        """
        Show *text*.
        """
        if text != self._text or text.spans != self._text.spans:
            self._text = text
            self.update(text)


class BoardScreen(Screen[None]):
    """
    A screen that shows what is on the board.
    """

    COMMON: ClassVar[list[BindingType]] = [
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.leave", "Quit"),
        Binding("d", "app.turn_theme", "Light or dark", show=False),
        Binding("f5", "app.refresh_list", "Read the list", show=False),
    ]

    @property
    def dashboard(self) -> Dashboard:
        """
        The application.
        """
        return cast("Dashboard", self.app)

    def draw(self, changes: BoardChanges) -> None:
        """
        Draw what *changes* concern.
        """

    def draw_all(self) -> None:
        """
        Draw everything.
        """

    def draw_notices(self) -> None:
        """
        Show the notices in the line for problems; hide the line where there are none.
        """
        notices = self.dashboard.board.notices
        problem = self.query_one("#problem", Line)
        problem.set_class(bool(notices), "shown")
        hidden = len(notices) - _MAX_NOTICES
        lines = [one_line(text) for text in notices[:_MAX_NOTICES]]
        if hidden > 0:
            lines[-1] = f"(and {hidden} more) {lines[-1]}"
        problem.show(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))

    def on_screen_resume(self) -> None:
        """
        Draw what changed while another screen was above.
        """
        self.call_after_refresh(self.dashboard.redraw_all)

    def on_resize(self) -> None:
        """
        Draw in the new size.
        """
        self.call_after_refresh(self.dashboard.redraw_all)
