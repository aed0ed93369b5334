"""
What the screens show of an agent, as rich text.

All text that comes from an agent passes through `coder_agents.render`, and none is read as markup.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

import attrs
from rich.text import Text

from coder_agents.cli.top.board import GONE, AgentState
from coder_agents.cli.top.history import ReadingHistory
from coder_agents.cli.top.order import SortColumn
from coder_agents.render import last_state, single_line, terminal_safe
from coder_agents.schema import Number, WorkspaceAgentLog, WorkspaceAgentMetadata

MAX_SHOWN = 2000
"""
The most characters that are shown of one text; a longer one is cut.
"""

_MIN_BARS, _MAX_BARS = 3, 8  # readings of an item in the table
_GAP = "  "
_MAX_NAME = 12  # characters of an item's name in the table
_MAX_VALUE = 16  # characters of an item's value in the table
_MAX_CELL_ITEMS = 12  # items of metadata in the table
_HEX = re.compile(r"#[0-9a-fA-F]{6}")

_GOOD = frozenset({"ready"})
_BAD = frozenset({"start_error", "shutdown_error", "timeout", "disconnected"})
_OVER = frozenset({"off", GONE})


@attrs.frozen
class Palette:
    """
    The styles of the text, in the colours of a theme.
    """

    good: str = ""
    doubtful: str = ""
    bad: str = ""
    accent: str = ""
    muted: str = "dim"

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Palette:
        """
        Return the palette of a theme with these *variables*. A colour that is no RGB colour, as in
        a theme for terminals with few colours, is the terminal's own.
        """

        def colour(name: str) -> str:
            value = variables.get(name, "")
            return value if _HEX.fullmatch(value) else ""

        return cls(
            good=colour("text-success"),
            doubtful=colour("text-warning"),
            bad=colour("text-error"),
            accent=colour("text-primary"),
        )

    def of_state(self, word: str) -> tuple[str, str]:
        """
        Return the symbol and the style of the state *word*. The symbols differ where colours do.
        """
        if word in _GOOD:
            return "●", self.good
        if word in _OVER:
            return "○", self.muted
        return ("✗", self.bad) if word in _BAD else ("◐", self.doubtful)


def cell(state: AgentState, column: SortColumn, width: int, palette: Palette) -> Text:
    """
    Return what the table shows of an agent in *column*, at most *width* columns wide.
    """
    text = _CELLS[column](state, width, palette)
    text.truncate(width, overflow="ellipsis")
    if state.gone_at is not None:
        text.stylize(palette.muted)
    return text


def one_line(text: str, limit: int = MAX_SHOWN) -> str:
    """
    Return the beginning of *text*, at most *limit* characters, as one line that is safe to show.
    """
    return single_line(text if len(text) <= limit else f"{text[: limit - 1]}…")


def log_text(log: WorkspaceAgentLog) -> Text:
    """
    Return the output of a log line with its colours, and without its other effects.
    """
    output = last_state(log.output)
    cut = output if len(output) <= MAX_SHOWN else f"{output[:MAX_SHOWN]}…"
    text = Text.from_ansi(terminal_safe(cut.replace("\t", "    ")))
    text.end = ""
    return text


def short_number(number: Number) -> str:
    """
    Return *number* with at most four digits, as ``28.1%`` or ``3.2/16 GiB``.
    """
    of = "" if number.of is None else f"/{_digits(number.of)}"
    space = " " if number.unit not in ("", "%") else ""
    return f"{_digits(number.value)}{of}{space}{number.unit}"


def value_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return the value of *item* as one line: a short number, or the first line of the text.
    """
    number = item.number
    if number is not None:
        return short_number(number)
    return one_line(item.result.value.strip().partition("\n")[0])


def name_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return the name of *item* for people, safe to show.
    """
    return one_line(item.description.display_name or item.description.key)


def _digits(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10_000 or abs(value) >= 1e15 else f"{value:,.0f}"


def _agent(state: AgentState, width: int, palette: Palette) -> Text:
    return Text(one_line(state.agent.label), style="bold")


def _state(state: AgentState, width: int, palette: Palette) -> Text:
    word = one_line(state.word) or "unknown"
    symbol, style = palette.of_state(word)
    shown = symbol if width <= len(symbol) else f"{symbol} {word.replace('_', ' ')}"
    return Text(shown, style=style)


def _metadata(state: AgentState, width: int, palette: Palette) -> Text:
    problem = state.problems.get("metadata", "")
    if problem and not state.metadata:
        return Text(problem, style=palette.bad)
    collected = [item for item in state.metadata if not item.pending]
    # Numbers first: a narrow column shows the first items alone. The order is the template's else.
    items = sorted(collected, key=lambda item: item.number is None)[:_MAX_CELL_ITEMS]
    texts = [_name_and_value(item, palette) for item in items]
    histories = [state.histories.get(item.description.key, ReadingHistory()) for item in items]
    parts = []
    for item, text, history, bars in zip(
        items, texts, histories, _fit(texts, histories, width), strict=False
    ):
        if bars:
            [picture] = history.picture(bars)
            text.append(f" {picture}", palette.muted if item.stale else palette.accent)
        parts.append(text)
    return Text(_GAP).join(parts)


def _fit(texts: Sequence[Text], histories: Sequence[ReadingHistory], width: int) -> list[int]:
    """
    Return with how many readings each of the items is shown that fit into *width*; at least one
    item.
    """
    least = [
        _MIN_BARS if len(history.readings) > 1 and history.has_numbers else 0
        for history in histories
    ]
    needed = [
        text.cell_len + (1 + bars if bars else 0) for text, bars in zip(texts, least, strict=True)
    ]
    ends = list(itertools.accumulate(needed, lambda end, each: end + len(_GAP) + each))
    count = sum(1 for end in ends if end <= width)
    if not count:
        return [0] if needed else []
    spare = width - ends[count - 1]
    fitting = []
    for bars in least[:count]:
        more = min(spare, _MAX_BARS - bars) if bars else 0
        spare -= more
        fitting.append(bars + more)
    return fitting


def _name_and_value(item: WorkspaceAgentMetadata, palette: Palette) -> Text:
    style = palette.muted if item.stale else ""
    name = one_line(name_of(item), _MAX_NAME)
    if item.result.error:
        return Text.assemble((f"{name} ", palette.muted), ("error", palette.bad))
    number = item.number
    # A part of a whole is short as a share; the agent's own screen shows both.
    share = None if number is None or number.of is None else number.ratio
    value = value_of(item) if share is None else f"{share:.0%}"
    return Text.assemble((f"{name} ", palette.muted), (one_line(value, _MAX_VALUE), style))


def _log(state: AgentState, width: int, palette: Palette) -> Text:
    if state.log is None:
        return Text(state.problems.get("log", ""), style=palette.bad)
    style = {"error": palette.bad, "warn": palette.doubtful}.get(str(state.log.level), "")
    return Text(log_text(state.log).plain, style=style)


def _ports(state: AgentState, width: int, palette: Palette) -> Text:
    if state.ports is not None:
        return Text(" ".join(str(port.port) for port in state.ports[:MAX_SHOWN]))
    return Text("unknown" if state.problems.get("ports") else "", style=palette.muted)


_CELLS = {
    SortColumn.AGENT: _agent,
    SortColumn.STATE: _state,
    SortColumn.METADATA: _metadata,
    SortColumn.LOG: _log,
    SortColumn.PORTS: _ports,
}
