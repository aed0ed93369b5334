"""
The live view of one agent's metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, TextIO

from coder_agents.agent import Agent
from coder_agents.display.cells import age_of, name_of, problem_of, value_of
from coder_agents.display.live import LiveView, bullet_heading, checked_canvas
from coder_agents.display.watch import Items
from coder_agents.display.watch_feed import MetadataFeed
from coder_agents.render import escape_controls, render_table
from coder_agents.render.html import render_html_table
from coder_agents.representation.cells import problem
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.streams import StreamOptions

_COLUMNS = ("Item", "Value", "Age", "Problem")


class MetadataContent:
    """
    The metadata of one agent, as a table.
    """

    newest_last: ClassVar[bool] = False

    def __init__(self, label: str) -> None:
        self.status = "live"
        self.items: Items = []
        self._label = label
        self._shown: dict[str, tuple[str, str]] = {}

    def set_items(self, items: Items) -> None:
        """
        Show *items*.
        """
        self.items, self.status = items, "live"

    def lines(self, width: int | None = None) -> Sequence[str]:
        """
        Return the heading and the table.
        """
        return [self._heading(), *render_table(_COLUMNS, map(_cells, self.items), width=width)]

    def html(self) -> str:
        """
        Return the table, with the heading as its caption.
        """
        rows = ((*cells[:-1], problem(cells[-1])) for cells in map(_cells, self.items))
        return render_html_table(_COLUMNS, rows, caption=self._heading())

    def changes(self) -> Sequence[str]:
        """
        Return a line for each value and each error that is new.
        """
        changed = []
        for item in self.items:
            found = value_of(item), escape_controls(item.result.error)
            if not item.pending and self._shown.get(item.description.key) != found:
                self._shown[item.description.key] = found
                changed.append(_change(item))
        return changed

    def _heading(self) -> str:
        return bullet_heading([f"Metadata of {self._label}", self.status])


def _cells(item: WorkspaceAgentMetadata) -> tuple[str, str, str | None, str]:
    return name_of(item), value_of(item), age_of(item), problem_of(item)


def _change(item: WorkspaceAgentMetadata) -> str:
    collected = item.result.collected_at
    moment = collected.astimezone().strftime("%H:%M:%S") if isinstance(collected, datetime) else ""
    error = problem_of(item) if item.result.error else ""
    return "  ".join(part for part in (moment, name_of(item), value_of(item), error) if part)


class MetadataView(LiveView):
    """
    The live view of an agent's metadata, which `Agent.metadata_view` returns.
    """

    _content: MetadataContent

    @property
    def items(self) -> list[WorkspaceAgentMetadata]:
        """
        The agent's metadata as it was last received.
        """
        return list(self._content.items)


def metadata_view(
    agent: Agent,
    *,
    seconds: float | None,
    file: TextIO | None,
    options: StreamOptions | None,
) -> MetadataView:
    """
    Show the metadata of *agent* until the view ends; see `Agent.metadata_view`.
    """
    canvas = checked_canvas(seconds, file)
    content = MetadataContent(agent.label)
    feed = MetadataFeed(agent, content.set_items, content=content, options=agent._chosen(options))
    return MetadataView(content)._run(feed, canvas, seconds)
