"""
A test that leaves shared state changed fails, and no later one does.
"""

from __future__ import annotations

import signal
import sys

import pytest
from restoring import changed, restored_handlers, shared_state


def test_what_a_test_leaves_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Handlers of signals, variables and hooks are compared, and nothing else has changed.
    """
    monkeypatch.setenv("ONE_THAT_GOES", "secret")
    before = shared_state()
    with restored_handlers():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        monkeypatch.setenv("ONE_THAT_COMES", "secret")
        monkeypatch.delenv("ONE_THAT_GOES")
        monkeypatch.setattr(sys, "excepthook", print)
        assert changed(before, shared_state()) == [
            "handler of SIGTERM",
            "sys.excepthook",
            "variable ONE_THAT_COMES",
            "variable ONE_THAT_GOES",
        ]
    assert signal.getsignal(signal.SIGTERM) is before["handler of SIGTERM"]
