"""
The dashboard's application: its screens, and what all of them share.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from textual.app import App, ScreenStackError, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches

from coder_agents.cli.top.board import AgentState, Board
from coder_agents.cli.top.cells import Palette
from coder_agents.cli.top.feeds import BoardFeeds
from coder_agents.cli.top.help_screen import HelpScreen
from coder_agents.cli.top.main_screen import MainScreen
from coder_agents.cli.top.reasons import described
from coder_agents.cli.top.screen import BoardScreen
from coder_agents.cli.top.signals import raised
from coder_agents.cli.top.styles import CSS

INTERRUPTED = 130
"""
The exit code after Ctrl-C, as in a shell.
"""

DARK, LIGHT = "textual-dark", "textual-light"

_TERMINAL = "terminal"  # the source of a notice
_LIGHT_BACKGROUNDS = ("7", "15")


class Dashboard(App[int]):
    """
    The dashboard; it returns its exit code.

    Args:
        board: what is shown.
        feeds: which keep *board* up to date.
        subject: what the agents are, for the first line.
        redraw: seconds between two redraws.
    """

    CSS = CSS
    TITLE = "coder-agents top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, priority=True),
    ]

    def __init__(self, board: Board, feeds: BoardFeeds, *, subject: str, redraw: float) -> None:
        super().__init__()
        self.board = board
        self.feeds = feeds
        self.subject = subject
        self._redraw_interval = redraw
        self._loop: asyncio.AbstractEventLoop | None = None
        if is_light(os.environ.get("COLORFGBG", "")):
            self.theme = LIGHT

    @property
    def palette(self) -> Palette:
        """
        The styles of text in the current theme.
        """
        return Palette.of(self.theme_variables)

    def on_mount(self) -> None:
        """
        Show the table, and draw again at intervals.
        """
        self._loop = asyncio.get_running_loop()
        self.push_screen(MainScreen())
        self.set_interval(self._redraw_interval, self.redraw)

    def redraw(self) -> None:
        """
        Draw what changed since the last redraw.
        """
        self._draw(lambda screen: screen.draw(self.board.take_changes()))

    def redraw_all(self) -> None:
        """
        Draw everything.
        """
        self._draw(lambda screen: screen.draw_all())

    def _draw(self, draw: Callable[[BoardScreen], None]) -> None:
        # Before it is mounted and while it is taken down, a screen has no widgets; at the end there
        # is no screen.
        with suppress(NoMatches, ScreenStackError):
            screen = self.screen
            if isinstance(screen, BoardScreen):
                draw(screen)

    def action_leave(self) -> None:
        """
        End the dashboard.
        """
        self.exit(0)

    def action_interrupt(self) -> None:
        """
        End the dashboard as Ctrl-C ends a program.
        """
        self.exit(INTERRUPTED)

    def end_from_outside(self, code: int) -> None:
        """
        End the dashboard with the exit code *code*, and restore the terminal; callable from a handler
        of signals.

        Raises *SystemExit* before the dashboard has begun, when there is nothing to restore.
        """
        if self._loop is None:
            raise SystemExit(code)
        self._loop.call_soon_threadsafe(self.exit, code)

    def action_turn_theme(self) -> None:
        """
        Change between the light and the dark theme.
        """
        self.theme = DARK if self.theme == LIGHT else LIGHT
        self.call_after_refresh(self.redraw_all)

    def action_help(self) -> None:
        """
        Show the keys.
        """
        self.push_screen(HelpScreen())

    def action_refresh_list(self) -> None:
        """
        Read the list of agents now.
        """
        self.feeds.refresh()

    def open_terminal(self, state: AgentState) -> None:
        """
        Leave the screen to a terminal of an agent, and come back at its end.
        """
        try:
            with self.suspend(), raised():
                problem = _interact(state)
        except SystemExit as ended:
            self.exit(ended.code if isinstance(ended.code, int) else 1)
            return
        except SuspendNotSupported:
            problem = "no terminal can be opened here"
        self.board.put_notice(_TERMINAL, problem and f"terminal: {problem}")
        self.refresh(layout=True)
        self.redraw()


def _interact(state: AgentState) -> str:
    """
    Connect a terminal of an agent with this one, and return why that failed; empty where it did not.

    Nothing is raised, because textual comes back to the screen only from a block that ends well.
    """
    label = state.agent.label
    print(f"A terminal of {label}. Leave it with ~. at the beginning of a line.", flush=True)
    columns, rows = shutil.get_terminal_size()
    try:
        with state.agent.terminal(size=(columns, rows)) as terminal:
            terminal.interact()
    except KeyboardInterrupt:  # while the terminal was being opened
        return ""
    except Exception as error:
        return described(error)
    return ""


def is_light(colours: str) -> bool:
    """
    Whether a terminal that sets COLORFGBG to *colours*, as in ``0;15``, has a light background.
    """
    return colours.rpartition(";")[2] in _LIGHT_BACKGROUNDS
