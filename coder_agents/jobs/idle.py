"""
The end of control shells that nobody uses.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import TYPE_CHECKING

from coder_agents.transport import ClosedError, DroppedError

if TYPE_CHECKING:
    from coder_agents.jobs.shell import ControlShell
    from coder_agents.jobs.shells import Shells


def close_idle(shells: weakref.ref[Shells], is_over: threading.Event, idle: float) -> None:
    """
    Close control shells that were not used for *idle* seconds, until none is left or *is_over*.
    """
    while not is_over.wait(idle / 3):
        held = shells()
        if held is None or not held.close_idle():
            return
        del held


def close_all(kept: list[ControlShell], is_over: threading.Event) -> None:
    """
    Close the control shells *kept*, and set *is_over*.
    """
    is_over.set()
    for shell in kept:
        with contextlib.suppress(ClosedError, DroppedError):
            shell.close()
