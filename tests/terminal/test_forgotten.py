"""
Terminals that nobody closes, and terminals in processes that were forked.
"""

from __future__ import annotations

import gc
import warnings

import pytest
from forked import Child

from coder_agents.errors import TerminalError

from .conftest import RAW, Place, eventually, read_until


def test_a_terminal_that_is_forgotten_warns_and_is_detached(newest: Place) -> None:
    """
    Without references to it, its thread and its connection end; what runs in it lives on.
    """
    terminal = newest.terminal(RAW + "sleep 60")
    read_until(terminal, b"READY")
    reconnect_id = terminal.reconnect_id
    [process] = newest.embedded.terminals.running.values()
    with pytest.warns(ResourceWarning, match=f"{reconnect_id}, open> was left open"):
        del terminal
        gc.collect()
    eventually(lambda: process.clients == 0)
    assert reconnect_id in newest.embedded.terminals.running


def test_a_terminal_that_was_closed_or_has_ended_does_not_warn(newest: Place) -> None:
    """
    There is nothing left to close.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        terminal = newest.terminal("true")
        while terminal.read():
            pass
        del terminal
        closed = newest.terminal("sleep 60")
        closed.close()
        del closed
        gc.collect()


def test_a_child_has_no_part_in_its_parents_terminal(newest: Place) -> None:
    """
    In the child the terminal is over, and what the child does with it does not disturb the parent.
    """
    with newest.terminal(RAW + "cat") as terminal:
        read_until(terminal, b"READY")

        def work() -> list[str]:
            errors = []
            for call in (terminal.read, lambda: terminal.write("x"), lambda: terminal.resize(9, 9)):
                with pytest.raises(TerminalError) as failure:
                    call()
                errors.append(str(failure.value))
            terminal.close()
            return errors

        read, *others = Child(work).result()
        assert read == "dev: the terminal was opened before a fork"
        assert others == ["dev: the terminal has ended"] * 2
        terminal.write("still here")
        read_until(terminal, b"still here")
        assert terminal.reconnects == 0


def test_a_child_that_forgets_a_terminal_does_not_warn(newest: Place) -> None:
    """
    It is the parent's, also while it connects again.
    """
    held = [newest.terminal(RAW + "cat")]
    read_until(held[0], b"READY")

    def work() -> str:
        held.clear()
        gc.collect()
        return "done"

    assert Child(work).result() == "done"
    held[0].write("still here")
    read_until(held[0], b"still here")
    held[0].close()


def test_a_child_of_a_terminal_that_is_between_two_connections(newest: Place) -> None:
    """
    A terminal without a connection can be forked, too.
    """
    with newest.terminal("true") as terminal:
        while terminal.read():
            pass
        assert Child(terminal.close).result() is None
