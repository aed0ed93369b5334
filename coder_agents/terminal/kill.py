"""
Ending what runs in a terminal, from another one.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from coder_agents.errors import TerminalError, TerminalNotFoundError
from coder_agents.terminal.start import report_in
from coder_agents.transport import DroppedError

if TYPE_CHECKING:
    from coder_agents.terminal.attachment import Attachment

_TRIES = 3  # some terminals never attach, and some lose their last bytes


def kill(
    attach: Callable[[], Attachment], reconnect_id: uuid.UUID, *, what: str, seconds: float
) -> None:
    """
    Run the program of `killing` over what *attach* returns, again where it has not confirmed in *seconds*.

    Raises *TerminalNotFoundError* where the agent does not know the terminal, *TerminalError* where
    nothing confirms it, *CoderError* where the deployment refuses.
    """
    for _ in range(_TRIES):
        report = _report(attach(), reconnect_id, time.monotonic() + seconds)
        if report == b"killed":
            return
        if report is not None:
            raise TerminalNotFoundError(f"{what}: no terminal of this id was started from here")
    raise TerminalError(f"{what}: the agent did not confirm that the terminal was killed")


def _report(attachment: Attachment, reconnect_id: uuid.UUID, deadline: float) -> bytes | None:
    """
    Return what the program reports; None where nothing comes until *deadline*.
    """
    try:
        output = bytearray()
        attachment.open()
        while (report := report_in(bytes(output), reconnect_id)) is None:
            more = attachment.read(deadline)
            if more is None:
                return None
            output += more
        return report
    except DroppedError:
        return None
    finally:
        attachment.close()
