"""
Everything about one agent, as rich text.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from coder_agents.cli.top.board import AgentState
from coder_agents.cli.top.cells import MAX_SHOWN, Palette, name_of, one_line, value_of
from coder_agents.cli.top.history import MAX_READINGS, ReadingHistory
from coder_agents.cli.top.order import full_label
from coder_agents.render import escape_controls, last_state, without_colours
from coder_agents.schema import WorkspaceAgentListeningPort, WorkspaceAgentMetadata

_HEIGHT = 2  # lines of a picture
_MAX_LINES = 6  # of a text value
_MAX_PORTS = 200
_NARROW = 60
_GAP = 2


def title(state: AgentState, palette: Palette) -> Text:
    """
    Return the agent's name and state in one line.
    """
    symbol, style = palette.of_state(state.word)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(one_line(full_label(state)), "bold")
    text.append(f"  {symbol} {one_line(state.word).replace('_', ' ')}", style)
    return text


def details(state: AgentState, palette: Palette, width: int) -> RenderableType:
    """
    Return what is known of an agent, for *width* columns.
    """
    parts: list[RenderableType] = [_facts(state, palette)]
    if state.metadata:
        parts += [Text(), _metadata(state, palette, width)]
    if state.ports:
        parts += [Text(), _ports(state, palette)]
    for what, reason in state.problems.items():
        parts.append(Text(f"{what}: {one_line(reason)}", palette.bad))
    return Group(*parts)


def _facts(state: AgentState, palette: Palette) -> Text:
    data = state.agent.data
    words = [
        f"{data.operating_system}/{data.architecture}".strip("/"),
        data.version,
        *(f"{name} {region.latency_ms:.0f} ms" for name, region in data.latency.items()),
    ]
    shown = "  ".join(one_line(word, 60) for word in words[:8] if word)
    text = Text(shown, palette.muted)
    if data.health.reason:
        text.append(f"\n{one_line(data.health.reason)}", palette.doubtful)
    return text


def _metadata(state: AgentState, palette: Palette, width: int) -> Table:
    name_width = min(24, max(8, width // 4))
    value_width = min(24, max(8, width // 4))
    picture_width = max(0, width - name_width - value_width - 2 * _GAP)
    table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    table.add_column(width=name_width, no_wrap=True, overflow="ellipsis")
    table.add_column(width=value_width, no_wrap=True, overflow="ellipsis")
    table.add_column(width=picture_width, overflow="fold")
    for item in state.metadata:
        history = state.histories.get(item.description.key, ReadingHistory())
        table.add_row(*_row(item, history, palette, picture_width))
    return table


def _row(
    item: WorkspaceAgentMetadata, history: ReadingHistory, palette: Palette, width: int
) -> Iterator[Text]:
    yield Text(name_of(item))
    style = palette.muted if item.stale else ""
    if item.result.error:
        yield Text("error", palette.bad)
        yield Text(one_line(item.result.error), palette.bad)
    elif item.pending:
        yield Text("not collected", palette.muted)
        yield Text()
    elif item.number is None:
        yield Text(_age(item), palette.muted)
        yield Text("\n".join(_lines(item.result.value)), style)
    else:
        yield Text(f"{value_of(item)}\n", style).append(_age(item), palette.muted)
        picture = history.picture(min(width, MAX_READINGS), _HEIGHT)
        yield Text("\n".join(picture), palette.muted if item.stale else palette.accent)


def _age(item: WorkspaceAgentMetadata) -> str:
    age = item.result.age or 0
    stale = ", stale" if item.stale else ""
    return f"{age} s ago{stale}" if age < 120 else f"{age // 60} min ago{stale}"


def _lines(value: str) -> Iterator[str]:
    lines = value.strip()[:MAX_SHOWN].split("\n")
    for line in lines[:_MAX_LINES]:
        shown = without_colours(last_state(line)).rstrip()
        yield escape_controls(shown).replace("\t", "    ")
    if len(lines) > _MAX_LINES:
        yield "…"


def _ports(state: AgentState, palette: Palette) -> Text:
    ports = state.ports or ()
    text = Text("Ports  ", palette.muted)
    shown = [_port(port) for port in ports[:_MAX_PORTS]]
    text.append("  ".join(shown), "default")
    return text


def _port(port: WorkspaceAgentListeningPort) -> str:
    name = one_line(port.process_name, 40)
    return f"{port.port} {name}" if name else str(port.port)
