"""
States of agents as rows: once, or again with each change.

Watched states are redrawn in place on a terminal; in a pipe, what has changed is appended.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from coder_agents.cli import exits
from coder_agents.cli.json_lines import write_json
from coder_agents.cli.readers import ending_without_reader
from coder_agents.cli.screen import OutputScreen, output
from coder_agents.cli.tables import Row, TableColumn, drawn, tab_separated, write_rows
from coder_agents.cli.watching import Watch
from coder_agents.render import escape_controls
from coder_agents.render.line import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from coder_agents import Agent, StreamOptions
    from coder_agents.streams import Stream

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 (an item)


@attrs.frozen(kw_only=True)
class Listing(Generic[S, I]):
    """
    What a command prints of the states of agents.

    Attributes:
        columns: the columns of its table.
        items: returns the items of a state, each of which is a row.
        row: returns the row of an item of an agent, some seconds after the item came.
        watch: returns the stream of an agent's states.
        changes: yields what has changed between two states: a word that begins each row, or an empty
            text, and items. None is the state before the first one.
    """

    columns: Sequence[TableColumn]
    items: Callable[[S], Sequence[I]]
    row: Callable[[Agent, I, float], Row]
    watch: Callable[[Agent, StreamOptions], Stream[S]]
    changes: Callable[[S | None, S], Iterable[tuple[str, Sequence[I]]]]

    def print_once(self, states: Mapping[Agent, Any], *, as_json: bool) -> None:
        """
        Write the rows of *states*.
        """
        screen = output()
        if as_json:
            write_json(screen, states)
            return
        rows = [self.row(agent, each, 0) for agent, it in states.items() for each in self.items(it)]
        write_rows(screen, self.columns, rows)

    def print_watched(self, agents: Sequence[Agent], *, as_json: bool) -> int:
        """
        Write the states of *agents* as they change, until the last stream ends; return the exit code.
        """
        screen = output()
        watch = Watch(agents, self.watch)
        updates = watch.updates()
        with contextlib.closing(updates), ending_without_reader():
            if screen.is_live and not as_json:
                self._redraw(screen, watch, updates)
            else:
                self._append(screen, watch, updates, as_json=as_json)
        return exits.FAILED if watch.failures else exits.DONE

    def _append(
        self,
        screen: OutputScreen,
        watch: Watch[S],
        updates: Generator[Mapping[Agent, tuple[S | None, S]], None, None],
        *,
        as_json: bool,
    ) -> None:
        for found in updates:
            watch.report_outages()
            for agent, (before, after) in found.items():
                for word, items in self.changes(before, after):
                    self._write(screen, agent, word, items, as_json=as_json)
            if found:
                screen.flush()

    def _write(
        self, screen: OutputScreen, agent: Agent, word: str, items: Sequence[I], *, as_json: bool
    ) -> None:
        if as_json:
            write_json(screen, {agent: items}, **({"change": word} if word else {}))
            return
        for item in items:
            row = self.row(agent, item, 0)
            screen.line(tab_separated((word, *row) if word else row))

    def _redraw(self, screen: OutputScreen, watch: Watch[S], updates: Iterable[Any]) -> None:
        shown = None
        with _live(screen, lambda height: self._drawn(screen, watch, height)) as live:
            for found in updates:
                outages = [member.outage for member in watch.members]
                if found or outages != shown:
                    live.refresh()
                shown = outages

    def _drawn(self, screen: OutputScreen, watch: Watch[S], height: int | None) -> RenderableType:
        """
        Return the table and the outages below it, in at most *height* lines; None is no limit.
        """
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        members = watch.members
        rows = [
            self.row(member.agent, item, now - member.received_at)
            for member in members
            if member.state is not None
            for item in self.items(member.state)
        ]
        outages = [
            Text(
                escape_controls(f"{member.agent.label}: {member.outage}"),
                style="yellow",
                no_wrap=True,
                overflow="ellipsis",
            )
            for member in members
            if member.outage is not None
        ]
        shown = _fitting(rows, None if height is None else height - len(outages))
        more = len(rows) - len(shown)
        rest = [Text(f"… {counted(more, 'more row')}", style="bright_black")] if more else []
        return Group(drawn(self.columns, shown, screen.width), *rest, *outages)


def _fitting(rows: Sequence[Row], height: int | None) -> Sequence[Row]:
    """
    Return those of *rows* that fit with their heading into *height* lines; else one line is for their number.
    """
    if height is None or len(rows) < height:
        return rows
    return rows[: max(0, height - 2)]


def _live(screen: OutputScreen, draw: Callable[[int | None], RenderableType]) -> Live:
    """
    Return what redraws in place: when it is refreshed, and each second, as ages grow and tries are made.

    *draw* is called with the height of the terminal, and at last with None: what stays may be scrolled.
    """
    from rich.live import Live

    class Redrawn(Live):
        def get_renderable(self) -> RenderableType:
            """
            Return what is shown now.
            """
            has_ended = self.vertical_overflow == "visible"
            return draw(None if has_ended else self.console.height)

        def refresh(self) -> None:
            """
            Draw; where the terminal has gone, the main thread gets the error.
            """
            if threading.current_thread() is threading.main_thread():
                super().refresh()
                return
            with contextlib.suppress(OSError):
                super().refresh()

    return Redrawn(
        console=screen.console,
        refresh_per_second=1,
        vertical_overflow="ellipsis",
        # What is reported appears above the table, unless it goes elsewhere.
        redirect_stderr=sys.stderr.isatty(),
    )
