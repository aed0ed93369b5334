"""
The signals that end a dashboard.
"""

from __future__ import annotations

import signal

import pytest
from driving import InThread

from coder_agents import Client
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.selection import Selection
from coder_agents.cli.top.session import dashboard
from coder_agents.cli.top.signals import ended_by_signals, raised

ENDING = [signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_with_its_exit_code(number: signal.Signals) -> None:
    """
    The handlers of before are back after the block.
    """
    before = signal.getsignal(number)
    codes: list[int] = []
    with ended_by_signals(codes.append):
        signal.raise_signal(number)
    assert codes == [128 + number]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_leaves_a_callback_by_an_exception(number: signal.Signals) -> None:
    """
    Nothing waits for the end of the callback, and Ctrl-C is an exception of its own.
    """
    with pytest.raises(SystemExit) as ended, raised():
        signal.raise_signal(number)
    assert ended.value.code == 128 + number
    with pytest.raises(KeyboardInterrupt), raised():
        signal.raise_signal(signal.SIGINT)


def test_another_thread_than_the_main_one_handles_no_signals() -> None:
    """
    Python lets only the main thread set handlers, so there the block changes nothing.
    """
    before = signal.getsignal(signal.SIGTERM)

    def inside() -> None:
        with ended_by_signals(lambda code: None):
            assert signal.getsignal(signal.SIGTERM) is before

    assert InThread(inside).ended() is None


def test_before_a_dashboard_has_begun_there_is_nothing_to_restore(client: Client) -> None:
    """
    The program ends at once.
    """
    with dashboard(client, Selection(), DashboardPace()) as app, pytest.raises(SystemExit) as ended:
        app.end_from_outside(143)
    assert ended.value.code == 143
