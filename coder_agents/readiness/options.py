"""
The options of a wait, checked, and its deadline.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import attrs

from coder_agents.config import function_or_none, seconds_or_none
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.pauses import PAUSES, Pauses

OnLog = Callable[[WorkspaceAgentLog], object]
"""
Called with each line of the log.
"""

OnState = Callable[[Any], object]
"""
Called with the `Agent`, after it was read.
"""


def check_seconds(_: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
    """
    Raise *TypeError* or *ValueError* where *value* is neither a number of seconds nor None.
    """
    seconds_or_none(attribute.name, value)


def check_function(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    """
    Raise *TypeError* where *value* is neither a function nor None.
    """
    function_or_none(attribute.name, value)


def check_truth(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    """
    Raise *TypeError* where *value* is neither True nor False.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be True or False, not {type(value).__name__}")


@attrs.frozen(kw_only=True)
class WaitOptions:
    """
    The options of a wait; see `Agent.wait_ready`.

    Raises *TypeError* or *ValueError* for an impossible option.
    """

    timeout: float | None = attrs.field(validator=check_seconds)
    on_log: OnLog | None = attrs.field(validator=check_function)
    on_state: OnState | None = attrs.field(validator=check_function)
    blocking_only: bool = attrs.field(validator=check_truth)
    strict: bool = attrs.field(validator=check_truth)
    pauses: Pauses = PAUSES


class Deadline:
    """
    The end of a wait that begins when the object is constructed.

    Args:
        timeout: seconds; None is no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        limit = seconds_or_none("timeout", timeout)
        self._timeout = math.inf if limit is None else limit
        self._began = time.monotonic()

    @property
    def waited(self) -> float:
        """
        The seconds since the wait began.
        """
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """
        The seconds until the deadline; 0 after it.
        """
        return max(0.0, self._timeout - self.waited)
