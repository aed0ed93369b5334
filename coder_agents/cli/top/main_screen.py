"""
The first screen: the table of the agents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Input

from coder_agents.cli.top.agent_screen import AgentScreen
from coder_agents.cli.top.board import AgentState, BoardChanges
from coder_agents.cli.top.cells import one_line
from coder_agents.cli.top.log_screen import LogScreen
from coder_agents.cli.top.order import SortColumn, matches, ordered
from coder_agents.cli.top.screen import BoardScreen, Line
from coder_agents.cli.top.table import AgentTable, TableHeading


class FilterInput(Input):
    """
    The line in which a person types a filter.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Keep"),
        Binding("escape", "screen.clear_filter", "Clear"),
    ]


class MainScreen(BoardScreen):
    """
    The table of the agents, with a line above for their states and one for problems.

    Attributes:
        column: the column of the order.
        is_reversed: whether the order is reversed.
    """

    column = SortColumn.AGENT
    is_reversed = False

    BINDINGS: ClassVar[list[BindingType]] = [
        *BoardScreen.COMMON,
        Binding("s", "sort", "Sort"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("l", "log", "Log"),
        Binding("t", "terminal", "Terminal"),
        Binding("r", "reverse", "Reverse", show=False),
        Binding("escape", "clear_filter", "Clear the filter", show=False),
    ]

    def compose(self) -> ComposeResult:
        """
        Return the widgets.
        """
        yield Line(id="summary")
        yield Line(id="problem")
        yield TableHeading()
        yield AgentTable()
        yield Line(id="empty")
        yield FilterInput(placeholder="part of a name or a state", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """
        Begin at the table.
        """
        self.table.focus()

    @property
    def table(self) -> AgentTable:
        """
        The table.
        """
        return self.query_one(AgentTable)

    @property
    def _filter(self) -> FilterInput:
        return self.query_one(FilterInput)

    def draw(self, changes: BoardChanges) -> None:
        """
        Draw the table where *changes* concern it, and prefer the agents in view.
        """
        if changes:
            self.draw_all()
        self.dashboard.feeds.show(map(UUID, self.table.in_view))

    def draw_all(self) -> None:
        """
        Draw everything.
        """
        states = list(self.dashboard.board.states.values())
        found = [state for state in states if matches(state, self._filter.value)]
        self.set_class(not found, "without-agents")
        if not found:
            self.query_one("#empty", Line).show(Text(self._reason(states)))
        table = self.table
        table.show(ordered(found, self.column, reverse=self.is_reversed), self.dashboard.palette)
        heading = self.query_one(TableHeading)
        heading.show_titles(table.fitting, self.column, is_reversed=self.is_reversed)
        self.query_one("#summary", Line).show(self._summary(states, found))
        self.draw_notices()

    def _reason(self, states: Sequence[AgentState]) -> str:
        if states:
            return "No agent matches the filter. Escape clears the filter."
        subject = one_line(self.dashboard.subject)
        return f"No agent is running ({subject}). Agents appear here when they start."

    def _summary(self, states: Sequence[AgentState], found: Sequence[AgentState]) -> Text:
        palette = self.dashboard.palette
        number = f"{len(found)} of {len(states)}" if len(found) < len(states) else len(states)
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{number} agents" if number != 1 else "1 agent", "bold")
        for word, count in Counter(state.word for state in states).most_common():
            symbol, style = palette.of_state(word)
            text.append(f"  {symbol} {count} {one_line(word).replace('_', ' ')}", style)
        text.append(f"  {one_line(self.dashboard.subject)}", palette.muted)
        return text

    def action_sort(self) -> None:
        """
        Sort by the next column.
        """
        self._sort_by(self.column.next, reverse=False)

    def action_reverse(self) -> None:
        """
        Reverse the order.
        """
        self._sort_by(self.column, reverse=not self.is_reversed)

    def _sort_by(self, column: SortColumn, *, reverse: bool) -> None:
        self.column, self.is_reversed = column, reverse
        self.draw_all()

    def on_table_heading_clicked(self, event: TableHeading.Clicked) -> None:
        """
        Sort by the column whose title was clicked; a second click reverses the order.
        """
        is_same = event.column is self.column
        self._sort_by(event.column, reverse=is_same and not self.is_reversed)

    def action_filter(self) -> None:
        """
        Let a person type a filter.
        """
        self._filter.add_class("shown")
        self._filter.focus()

    def action_clear_filter(self) -> None:
        """
        Show all agents again.
        """
        self._filter.value = ""
        self._filter.remove_class("shown")
        self.table.focus()

    def on_input_changed(self) -> None:
        """
        Show the agents that match what is typed.
        """
        self.draw_all()

    def on_input_submitted(self) -> None:
        """
        Keep the filter, and go back to the table.
        """
        self._filter.set_class(bool(self._filter.value), "shown")
        self.table.focus()

    @property
    def _state(self) -> AgentState | None:
        """
        The agent under the cursor; None where there is none.
        """
        agent_id = self.table.selected
        return self.dashboard.board.state(UUID(agent_id)) if agent_id else None

    def on_agent_table_opened(self) -> None:
        """
        Show everything about the agent.
        """
        if (state := self._state) is not None:
            self.app.push_screen(AgentScreen(state, self.dashboard.board))

    def action_log(self) -> None:
        """
        Show the agent's log.
        """
        if (state := self._state) is not None:
            self.app.push_screen(LogScreen(state))

    def action_terminal(self) -> None:
        """
        Open a terminal of the agent.
        """
        if (state := self._state) is not None:
            self.dashboard.open_terminal(state)
