"""
States that are watched: redrawn in place on a terminal, appended in a pipe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

from coder_agents.cli.screen import Screen

if TYPE_CHECKING:
    from rich.console import RenderableType

S = TypeVar("S")


def show_states(
    screen: Screen,
    states: Generator[S, None, None],
    *,
    draw: Callable[[S, int], RenderableType],
    append: Callable[[S | None, S], None],
    in_place: bool,
) -> None:
    """
    Show *states* until they end.

    *in_place*, what *draw* returns for a state and the width of the terminal replaces the state before. Otherwise
    *append* writes what is new, for the state before and the new one.
    """
    with contextlib.closing(states):
        if in_place:
            _redraw(screen, states, draw)
            return
        before: S | None = None
        for state in states:
            append(before, state)
            screen.flush()
            before = state


def _redraw(
    screen: Screen, states: Generator[S, None, None], draw: Callable[[S, int], RenderableType]
) -> None:
    from rich.live import Live

    # No thread redraws: each state is drawn once, when it comes.
    with Live(console=screen.console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        for state in states:
            live.update(draw(state, screen.width), refresh=True)
