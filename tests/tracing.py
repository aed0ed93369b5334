"""
Tracing each bytecode in this thread.
"""

from __future__ import annotations

import abc
import sys
import types
from typing import Any, Self


class BytecodeTracer(abc.ABC):
    """
    Is called for each frame of this thread, in the body of a ``with`` statement; see `sys.settrace`.
    """

    @abc.abstractmethod
    def __call__(self, frame: types.FrameType, event: str, arg: object) -> Any:
        """
        Trace *frame*, or return None.
        """

    def __enter__(self) -> Self:
        self._old = sys.gettrace()
        # Python 3.12 decides when tracing begins whether there are events for bytecodes.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._old)
