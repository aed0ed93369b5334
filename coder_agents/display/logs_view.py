"""
The live view of one agent's log.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import ClassVar, TextIO

import attrs

from coder_agents.agent import Agent
from coder_agents.config import whole_number
from coder_agents.display.canvas import Canvas
from coder_agents.display.cells import MAX_NAME, short
from coder_agents.display.live import (
    LiveView,
    bullet_heading,
    checked_canvas,
    connecting_again,
)
from coder_agents.render import escape_controls, last_state
from coder_agents.render.html import render_html_card, render_html_output
from coder_agents.schema import LogLevel, WorkspaceAgentLog
from coder_agents.streams import LogStream, StreamOptions
from coder_agents.streams.options import choose_options

_MAX_LINE = 1_024  # characters of a line's output, as in a deployment's database
# Seconds of a poll: shorter than the pause before the first try to connect again, which may block.
_MAX_WAIT = 0.25
_MAX_AT_ONCE = 1_000  # lines between two looks at the clock


class LogsContent:
    """
    The newest lines of one agent's log.

    Args:
        label: the agent's name.
        tail: how many lines are kept.
        keeps_changes: whether `changes` returns lines; they are kept until then.
    """

    newest_last: ClassVar[bool] = True

    def __init__(self, label: str, tail: int, *, keeps_changes: bool) -> None:
        self.status = "live"
        self.logs: collections.deque[WorkspaceAgentLog] = collections.deque(maxlen=tail)
        self._label = label
        self._count = 0
        self._keeps_changes = keeps_changes
        self._changes: list[str] = []

    def add(self, log: WorkspaceAgentLog) -> None:
        """
        Add *log* as the newest line.
        """
        self._count += 1
        self.logs.append(log)
        if self._keeps_changes:
            self._changes.append(_line(log))

    def lines(self, width: int | None = None) -> Sequence[str]:
        """
        Return the heading and the lines, with their colours.
        """
        return [self._heading(), *map(_line, self.logs)]

    def html(self) -> str:
        """
        Return the lines below the heading.
        """
        lines = render_html_output(
            f"{_begin(log)}{_cut(last_state(log.output))}" for log in self.logs
        )
        return render_html_card(self._heading(), (), below=[lines])

    def changes(self) -> Sequence[str]:
        """
        Return the new lines.
        """
        changes, self._changes = self._changes, []
        return changes

    def _heading(self) -> str:
        hidden = self._count - len(self.logs)
        earlier = f"{hidden:,} earlier lines" if hidden else ""
        return bullet_heading([f"Log of {self._label}", earlier, escape_controls(self.status)])


def _begin(log: WorkspaceAgentLog) -> str:
    moment = log.created_at.astimezone().strftime("%H:%M:%S") if log.created_at else ""
    level = str(log.level) if log.level in (LogLevel.WARN, LogLevel.ERROR) else ""
    parts = (moment, short(log.source_name, MAX_NAME), level)
    return "".join(f"{part}  " for part in parts if part)


def _line(log: WorkspaceAgentLog) -> str:
    return f"{_begin(log)}{_cut(str(log))}"


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…"


class LogViewFeed:
    """
    The changes of a view that a stream of lines brings.

    Args:
        follow: returns the stream with these options, connected.
        content: takes the lines, and shows that the stream connects again.
    """

    def __init__(
        self,
        follow: Callable[[StreamOptions], LogStream],
        content: LogsContent,
        *,
        options: StreamOptions,
    ) -> None:
        self._follow = follow
        self._content = content
        self._options = options
        self._stream: LogStream | None = None
        self._connections: int | None = None  # made before the outage; None while connected

    def open(self) -> None:
        """
        Connect; see `Feed.open`.
        """
        self._stream = self._follow(attrs.evolve(self._options, on_reconnect=self._show))

    def _show(self, reason: str, attempt: int, seconds: float) -> None:
        if self._stream is not None:
            self._connections = self._stream.stats.reconnects
            self._content.status = connecting_again(reason, attempt)
        if self._options.on_reconnect is not None:
            self._options.on_reconnect(reason, attempt, seconds)

    @property
    def is_over(self) -> bool:
        """
        Whether the log has ended.
        """
        return self._opened.end is not None

    @property
    def _opened(self) -> LogStream:
        assert self._stream is not None
        return self._stream

    def wait(self, timeout: float) -> bool:
        """
        Wait for lines; see `Feed.wait`.
        """
        stream, status = self._opened, self._content.status
        log = stream.poll(min(timeout, _MAX_WAIT))
        if self._connections is not None and stream.stats.reconnects > self._connections:
            self._connections, self._content.status = None, "live"
        if log is None:
            return self._content.status != status
        for _ in range(_MAX_AT_ONCE):
            self._content.add(log)
            log = stream.poll(0)
            if log is None:
                return True
        self._content.add(log)
        return True

    def close(self) -> None:
        """
        Close the stream.
        """
        if self._stream is not None:
            self._stream.close()


class LogsView(LiveView):
    """
    The live view of an agent's log, which `Agent.logs_view` returns.
    """

    _content: LogsContent

    @property
    def logs(self) -> list[WorkspaceAgentLog]:
        """
        The lines that it shows, oldest first.
        """
        return list(self._content.logs)


def logs_view(
    agent: Agent,
    tail: int,
    *,
    seconds: float | None,
    file: TextIO | None,
    options: StreamOptions | None,
) -> LogsView:
    """
    Show the newest *tail* lines of the log of *agent*; see `Agent.logs_view`.
    """
    whole_number("tail", tail, least=1)
    canvas: Canvas = checked_canvas(seconds, file)
    chosen = choose_options(options, agent._stream_options)
    content = LogsContent(agent.label, tail, keeps_changes=canvas.appends)
    feed = LogViewFeed(
        lambda options: agent.follow_logs(tail=tail, options=options), content, options=chosen
    )
    return LogsView(content)._run(feed, canvas, seconds)
