"""
Reads that are repeated while they fail with an error that may pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from coder_agents.errors import CoderError, MessageTooLargeError, StreamError
from coder_agents.streams.reconnect import is_resumable, requested_pause, without_frames

logger = logging.getLogger("coder_agents")

T = TypeVar("T")


class Attempts:
    """
    The reads of one thing during a wait.

    Reads that fail one after the other are one outage, which is logged as one warning.

    Args:
        subject: what is read, for messages.
        may_pass: whether an error may pass.

    Attributes:
        trouble: the error of the last read; None where the read succeeded.
    """

    def __init__(self, subject: str, may_pass: Callable[[CoderError], bool] = is_resumable) -> None:
        self._subject = subject
        self._may_pass = may_pass
        self.trouble: CoderError | None = None

    def read(self, call: Callable[[], T]) -> T | None:
        """
        Return the result of *call*; None where it failed with an error that may pass.

        Raises an error that does not pass.
        """
        try:
            result = call()
        except CoderError as error:
            if not self._may_pass(error):
                raise
            level = logging.WARNING if self.trouble is None else logging.DEBUG
            logger.log(level, "%s cannot be read now: %s", self._subject, error)
            self.trouble = without_frames(error)
            return None
        self.trouble = None
        return result

    def pause(self, seconds: float) -> float:
        """
        Return the seconds until the next read: *seconds*, or more where the deployment requests it.
        """
        return seconds if self.trouble is None else max(seconds, requested_pause(self.trouble))


def log_may_pass(error: CoderError) -> bool:
    """
    Whether a log that could not be read because of *error* may be read later.
    """
    if isinstance(error, StreamError):
        return not isinstance(error, MessageTooLargeError)
    return is_resumable(error)
