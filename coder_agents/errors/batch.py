"""
Errors of calls over several agents.
"""

from __future__ import annotations

from coder_agents.errors.root import CoderError


class BatchTimeoutError(CoderError, TimeoutError):
    """
    The agent had no result when the time for all agents of a call was over.

    Attributes:
        timeout: the seconds that the call had.
        begun: whether the function was called with the agent. If so, it may have had an effect.
    """

    def __init__(
        self, text: str = "", *, timeout: float | None = None, begun: bool = False
    ) -> None:
        super().__init__(text)
        self.timeout = timeout
        self.begun = begun


class BatchCanceledError(CoderError):
    """
    The agent had no result when a call over several agents was canceled.

    Attributes:
        begun: whether the function was called with the agent. If so, it may have had an effect.
    """

    def __init__(self, text: str = "", *, begun: bool = False) -> None:
        super().__init__(text)
        self.begun = begun


class FunctionExitError(CoderError):
    """
    A function that was called with an agent tried to end the program, as ``sys.exit()`` does.

    The exception that it raised is the ``__cause__``.
    """


class TravelError(CoderError):
    """
    What a function returned or raised in another process cannot come back: it cannot be pickled.
    """
