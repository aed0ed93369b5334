"""
The widget that shows a log as it is followed.
"""

from __future__ import annotations

from rich.text import Text
from textual.widgets import RichLog

from coder_agents.cli.top.board import AgentState
from coder_agents.cli.top.cells import Palette, log_text, one_line
from coder_agents.cli.top.feeds import Feeds
from coder_agents.cli.top.live import MAX_LINES, FollowedLog

_MAX_LINES = 500  # that are drawn at once: the keys have to work meanwhile
_LEVELS = {"error": "E", "warn": "W"}


class LogView(RichLog):
    """
    The log of one agent. It follows new lines while its end is in view.
    """

    def __init__(self, state: AgentState, feeds: Feeds, *, tail: int) -> None:
        super().__init__(max_lines=MAX_LINES, wrap=True, min_width=0, id="log")
        self.can_focus = True
        self._log = FollowedLog(state.agent, tail=tail)
        self._has_ended = False
        feeds.follow(self._log)

    def draw(self, palette: Palette) -> None:
        """
        Show the lines that came since the last call.
        """
        is_at_end = self.is_vertical_scroll_end
        ending = self._log.ending  # read first: lines may come before the end
        lines = self._log.take(_MAX_LINES)
        for log in lines:
            level = str(log.level)
            style = {"error": palette.bad, "warn": palette.doubtful}.get(level, palette.muted)
            mark = Text(f"{_LEVELS.get(level, ' ')} ", style)
            self.write(mark + log_text(log), scroll_end=is_at_end)
        if ending and not lines and not self._has_ended:
            self._has_ended = True
            self.write(Text(f"— {one_line(ending)}", palette.muted), scroll_end=is_at_end)

    def on_unmount(self) -> None:
        """
        Stop following.
        """
        self._log.close()
