"""
Lines of logs, as text.

In a pipe, a line has the form of the deployment's own text logs. On a terminal, a line is its time, its
source and its output, with the colours of the script.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from coder_agents.cli.screen import OutputScreen
from coder_agents.render import escape_controls
from coder_agents.render.line import counted

if TYPE_CHECKING:
    from coder_agents import Agent
    from coder_agents.schema import WorkspaceAgentLog

MAX_LINE = 4_096
"""
Characters of a line that a terminal shows; in a pipe, a line is whole.
"""

_MAX_NAME = 24
_AGENT_COLOURS = ("cyan", "magenta", "blue", "green", "yellow")
_LEVEL_COLOURS = {"warn": "yellow", "error": "red"}


class LogWriter:
    """
    Writes lines of logs to a screen.

    Args:
        screen: the screen.
        agents: the agents whose logs are written; a line names its agent where there are several.
        as_text: whether lines have the form for pipes, also on a terminal.
    """

    def __init__(
        self, screen: OutputScreen, agents: Iterable[Agent], *, as_text: bool = False
    ) -> None:
        labels = [agent.label for agent in agents]
        self._screen = screen
        self._is_text = as_text or not screen.is_terminal
        self._has_agents = len(labels) > 1
        self._width = min(max(map(len, labels), default=0), _MAX_NAME)
        self._colours = {
            label: _AGENT_COLOURS[number % len(_AGENT_COLOURS)]
            for number, label in enumerate(labels)
        }

    def write(self, agent: Agent, log: WorkspaceAgentLog) -> None:
        """
        Write *log*, a line of *agent*.
        """
        line = self._text(agent, log) if self._is_text else self._shown(agent, log)
        self._screen.line(line)

    def _text(self, agent: Agent, log: WorkspaceAgentLog) -> str:
        return log.text(agent.label if self._has_agents else agent.name)

    def _shown(self, agent: Agent, log: WorkspaceAgentLog) -> str:
        screen = self._screen
        parts = []
        if log.created_at is not None:
            parts.append(screen.styled(f"{log.created_at.astimezone():%H:%M:%S}", "dim"))
        if self._has_agents:
            label = agent.label[:_MAX_NAME].ljust(self._width)
            parts.append(screen.styled(label, self._colours.get(agent.label, "")))
        name = escape_controls(log.source_name[:_MAX_NAME])
        if name:
            parts.append(screen.styled(f"{name}:", _LEVEL_COLOURS.get(str(log.level), "bold")))
        parts.append(screen.coloured(shortened(str(log))))
        return " ".join(parts)


def shortened(line: Any) -> str:
    """
    Return *line*, cut where a terminal would be filled with it.
    """
    text = str(line)
    if len(text) <= MAX_LINE:
        return text
    return f"{text[:MAX_LINE]}… ({counted(len(text) - MAX_LINE, 'more character')})"
