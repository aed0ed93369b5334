"""
The widget that shows a log as it is followed.
"""

from __future__ import annotations

from rich.text import Text

from coder_agents.cli.top.board import AgentState
from coder_agents.cli.top.cells import Palette, log_text, one_line
from coder_agents.cli.top.feeds import BoardFeeds
from coder_agents.cli.top.folded_text import FoldedText
from coder_agents.cli.top.live import MAX_LINES, FollowedLog
from coder_agents.schema import WorkspaceAgentLog

_MAX_LINES = 500  # that are drawn at once: the keys have to work meanwhile
_LEVELS = {"error": "E", "warn": "W"}


class LogView(FoldedText):
    """
    The log of one agent. It follows new lines while its end is in view.
    """

    def __init__(self, state: AgentState, feeds: BoardFeeds, *, tail: int) -> None:
        super().__init__(max_lines=MAX_LINES, id="log")
        self._followed = FollowedLog(state.agent, tail=tail)
        self._has_ended = False
        feeds.follow(self._followed)

    def draw(self, palette: Palette) -> None:
        """
        Show the lines that came since the last call.
        """
        ending = self._followed.ending  # read first: lines may come before the end
        lines = self._followed.take(_MAX_LINES)
        if lines:
            self.append(_line(log, palette) for log in lines)
        elif ending and not self._has_ended:
            self._has_ended = True
            self.append([Text(f"— {one_line(ending)}", palette.muted)])

    def on_unmount(self) -> None:
        """
        Stop following.
        """
        self._followed.close()


def _line(log: WorkspaceAgentLog, palette: Palette) -> Text:
    level = str(log.level)
    style = {"error": palette.bad, "warn": palette.doubtful}.get(level, palette.muted)
    return Text(f"{_LEVELS.get(level, ' ')} ", style) + log_text(log)
