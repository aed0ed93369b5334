"""
The moment at which a fault strikes a connection.
"""

from __future__ import annotations

from typing import Protocol

import attrs


class ConnectionProgress(Protocol):
    """
    How far a connection has come: messages sent, and bytes of a terminal in both directions.
    """

    messages: int
    output_bytes: int
    input_bytes: int


@attrs.frozen
class FaultMoment:
    """
    A number of messages; or of bytes of a terminal's output, or of its input.

    Attributes:
        messages: how many messages were sent.
        output: how many bytes of output were sent, whatever the messages; None for any.
        input: how many bytes of input arrived; None for any.
    """

    messages: int = 0
    output: int | None = None
    input: int | None = None

    def reached(self, progress: ConnectionProgress) -> bool:
        """
        Whether a connection is at this moment.
        """
        if self.output is not None:
            return progress.output_bytes == self.output
        if self.input is not None:
            return progress.input_bytes == self.input
        return progress.messages == self.messages

    def output_left(self, progress: ConnectionProgress) -> float:
        """
        How many bytes of output are left until then; infinite without a position in the output.
        """
        return _left(self.output, progress.output_bytes)

    def input_left(self, progress: ConnectionProgress) -> float:
        """
        How many bytes of input are left until then; infinite without a position in the input.
        """
        return _left(self.input, progress.input_bytes)


def _left(wanted: int | None, had: int) -> float:
    return float("inf") if wanted is None or wanted <= had else wanted - had
