"""
The table of the agents.

textual's own `DataTable` draws every row in view again whenever one cell changes, which costs a fifth
of a core for 50 agents. Here only the rows that change are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from coder_agents.cli.top.board import AgentState
from coder_agents.cli.top.cells import Palette, cell
from coder_agents.cli.top.order import SortColumn
from coder_agents.cli.top.screen import Line

_PADDING = 1  # columns of the terminal on either side of a cell
_WIDE, _NARROW = 100, 60


def widths(total: int) -> dict[SortColumn, int]:
    """
    Return the columns to show on *total* columns of the terminal, with their widths.

    A wide terminal has all columns. Others have no ports, and narrow ones have no log, and only the
    symbol of the state.
    """
    if total >= _WIDE:
        fixed = {
            SortColumn.AGENT: min(32, total // 6),
            SortColumn.STATE: 15,
            SortColumn.PORTS: total // 10,
        }
        weights = {SortColumn.METADATA: 6, SortColumn.LOG: 5}
    elif total >= _NARROW:
        fixed = {SortColumn.AGENT: total // 4, SortColumn.STATE: 14}
        weights = {SortColumn.METADATA: 5, SortColumn.LOG: 4}
    else:
        fixed = {SortColumn.AGENT: max(4, total // 3), SortColumn.STATE: 1}
        weights = {SortColumn.METADATA: 1}
    count = len(fixed) + len(weights)
    left = total - sum(fixed.values()) - 2 * _PADDING * count
    shares = {
        column: max(4, left * weight // sum(weights.values())) for column, weight in weights.items()
    }
    both = {**fixed, **shares}
    return {column: both[column] for column in SortColumn if column in both}


def _line(cells: dict[SortColumn, Text], fitting: dict[SortColumn, int]) -> Text:
    """
    Return *cells* as one line, each padded to its width.
    """
    line = Text(no_wrap=True, end="")
    for column, width in fitting.items():
        text = cells[column]
        line.append(" " * _PADDING)
        line.append_text(text)
        line.append(" " * (width - text.cell_len + _PADDING))
    return line


class TableHeading(Line):
    """
    The titles of the columns; a click on one sorts the table.
    """

    class Clicked(Message):
        """
        A title was clicked.

        Attributes:
            column: whose title it is.
        """

        def __init__(self, column: SortColumn) -> None:
            super().__init__()
            self.column = column

    def __init__(self) -> None:
        super().__init__(id="heading")
        self._fitting: dict[SortColumn, int] = {}

    def show_titles(
        self, fitting: dict[SortColumn, int], column: SortColumn, *, is_reversed: bool
    ) -> None:
        """
        Show the titles of the columns in *fitting*, the order's one marked.
        """
        self._fitting = fitting
        arrow = " ▲" if is_reversed else " ▼"
        titles = {}
        for each, width in fitting.items():
            title = each.value if width > 1 else ""
            titles[each] = Text(f"{title}{arrow}" if each is column else title, "bold")
            titles[each].truncate(width)
        self.show(_line(titles, fitting))

    def on_click(self, event: events.Click) -> None:
        """
        Report the column below the mouse.
        """
        end = 0
        for column, width in self._fitting.items():
            end += width + 2 * _PADDING
            if event.x < end:
                self.post_message(self.Clicked(column))
                return


class AgentTable(ScrollView, can_focus=True):
    """
    One row for each agent, with a cursor that stays on its agent.
    """

    class Opened(Message):
        """
        The agent under the cursor was opened.
        """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(0)", "First", show=False),
        Binding("end", "edge(-1)", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"agent-table--cursor"}
    DEFAULT_CSS = """
    AgentTable {
        height: 1fr;
        background: $surface;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        overflow-x: hidden;
    }
    AgentTable > .agent-table--cursor {
        background: $primary;
        color: $text;
        text-style: bold;
    }
    """

    def __init__(self) -> None:
        super().__init__(id="agents")
        self._palette = Palette()
        self._fitting: dict[SortColumn, int] = {}
        self._drawn: dict[str, AgentState] = {}
        self._lines: dict[str, Text] = {}
        self._order: list[str] = []
        self._row = 0

    @property
    def fitting(self) -> dict[SortColumn, int]:
        """
        The columns that fit, and their widths.
        """
        return widths(self.scrollable_content_region.width)

    @property
    def selected(self) -> str:
        """
        The id of the agent under the cursor; empty where there is none.
        """
        return self._order[self._row] if self._row < len(self._order) else ""

    @property
    def in_view(self) -> list[str]:
        """
        The ids of the agents in the rows that can be seen.
        """
        first = self.scroll_offset.y
        return self._order[first : first + max(1, self.size.height)]

    def show(self, states: Sequence[AgentState], palette: Palette) -> None:
        """
        Show *states* in this order. The cursor stays on its agent, or in its row where the agent
        is not among them.
        """
        selected, fitting = self.selected, self.fitting
        before = self._order
        self._order = [str(state.agent.id) for state in states]
        if (fitting, palette) != (self._fitting, self._palette):
            self._fitting, self._palette = fitting, palette
            self._drawn = {}
        changed = self._draw(states)
        self.virtual_size = Size(self.scrollable_content_region.width, len(states))
        if self._order == before:
            for row, agent_id in enumerate(self._order):
                if agent_id in changed:
                    self.refresh_lines(row)
            return
        self.refresh()
        row = self._order.index(selected) if selected in self._drawn else self._row
        self._move_to(row)

    def _draw(self, states: Sequence[AgentState]) -> set[str]:
        """
        Draw the lines of the *states* that are new, and return the ids of their agents.
        """
        shown = {str(state.agent.id): state for state in states}
        changed = {
            agent_id for agent_id, state in shown.items() if self._drawn.get(agent_id) is not state
        }
        self._lines = {
            agent_id: self._new_line(state) if agent_id in changed else self._lines[agent_id]
            for agent_id, state in shown.items()
        }
        self._drawn = shown
        return changed

    def _new_line(self, state: AgentState) -> Text:
        cells = {
            column: cell(state, column, width, self._palette)
            for column, width in self._fitting.items()
        }
        return _line(cells, self._fitting)

    def render_line(self, y: int) -> Strip:
        """
        Return the row that is *y* rows below the first one in view.
        """
        row = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        base = self.rich_style
        if row >= len(self._order):
            return Strip.blank(width, base)
        line = self._lines[self._order[row]]
        if row == self._row:
            base += self.get_component_rich_style("agent-table--cursor")
            line = Text(line.plain, end="")  # the colours of the text hide on the cursor's
        strip = Strip(line.render(self.app.console)).adjust_cell_length(width, Style())
        return strip.apply_style(base)

    def _move_to(self, row: int) -> None:
        row = max(0, min(row, len(self._order) - 1))
        before, self._row = self._row, row
        if row != before:
            self.refresh_lines(before)
            self.refresh_lines(row)
        height = max(1, self.size.height)
        top = self.scroll_offset.y
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False)

    def action_move(self, rows: int) -> None:
        """
        Move the cursor.
        """
        self._move_to(self._row + rows)

    def action_page(self, pages: int) -> None:
        """
        Move the cursor by what fits into the view.
        """
        self._move_to(self._row + pages * max(1, self.size.height))

    def action_edge(self, row: int) -> None:
        """
        Move the cursor to the first or the last row.
        """
        self._move_to(row % max(1, len(self._order)))

    def action_open(self) -> None:
        """
        Report that the agent was opened.
        """
        if self.selected:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """
        Move the cursor to the row below the mouse, or open the row's agent where it is there.
        """
        row = event.y + self.scroll_offset.y
        if row == self._row:
            self.action_open()
        elif row < len(self._order):
            self._move_to(row)
