"""
Calls a function with an agent in another process, and sends what came of it back.

Results and errors are pickled here, not by the executor: so one that cannot be pickled is a failure of
its agent alone, and agents in them come back without a client, and without its token.
"""

from __future__ import annotations

import io
import pickle
import traceback
import uuid
from collections.abc import Callable
from typing import Any

import attrs

from coder_agents.agent import Agent
from coder_agents.batch.travel import TravellingAgent
from coder_agents.errors import TravelError
from coder_agents.render import escape_controls
from coder_agents.schema import Workspace, WorkspaceAgent

_MAX_SHOWN = 1000  # characters of an error that cannot come back

Parts = tuple[WorkspaceAgent, Workspace | None]
"""
An agent without its client.
"""


class RemoteTraceback(Exception):
    """
    The traceback of an error in another process, as text: the cause of the error here.
    """

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


@attrs.frozen
class Envelope:
    """
    What came of a call, on its way back.

    Attributes:
        content: the pickled result or error.
        is_error: whether it is an error.
        shown: the error, and its traceback, as text.
    """

    content: bytes
    is_error: bool = False
    shown: tuple[str, str] = ("", "")


@attrs.frozen(eq=False)
class RemoteCall:
    """
    A call of *function* with *agent*, which an executor carries to another process.

    *nonce* makes it unlike all others: Dask takes equal calls for one.
    """

    function: Callable[[Agent], Any]
    agent: TravellingAgent
    nonce: str = attrs.field(factory=lambda: uuid.uuid4().hex)

    def __call__(self) -> Envelope:
        """
        Call the function, and return what came of it.
        """
        try:
            agent = self.agent.arrive()
            result = self.function(agent)
            return Envelope(_packed(result, type(result).__name__))
        except BaseException as error:
            return _of_error(error)

    def opened(self, envelope: Envelope, arrive: Callable[[Parts], Agent]) -> Any:
        """
        Return the result in *envelope*, whose agents *arrive* returns; raise the error in it.
        """
        if not envelope.is_error:
            return _unpacked(envelope.content, arrive)
        text, trace = envelope.shown
        try:
            error = _unpacked(envelope.content, arrive)
        except TravelError:
            error = TravelError(f"{text} (this error itself cannot be pickled)")
        raise error from RemoteTraceback(trace)


def run(call: RemoteCall) -> Envelope:
    """
    Return what came of *call*: the function that an executor gets.
    """
    return call()


def _of_error(error: BaseException) -> Envelope:
    shown = escape_controls(f"{type(error).__name__}: {error}"[:_MAX_SHOWN])
    trace = "".join(traceback.format_exception(error))
    try:
        content = _packed(error, type(error).__name__)
    except TravelError:
        content = b""
    return Envelope(content, is_error=True, shown=(shown, trace))


class _Packer(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Parts | None:
        return (obj.data, obj.workspace) if isinstance(obj, Agent) else None


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, arrive: Callable[[Parts], Agent]) -> None:
        super().__init__(file)
        self._arrive = arrive

    def persistent_load(self, parts: Parts) -> Agent:
        return self._arrive(parts)


def _packed(value: Any, kind: str) -> bytes:
    file = io.BytesIO()
    try:
        _Packer(file, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception as error:  # whatever the classes of the value raise
        raise TravelError(
            f"an object of the class {kind} cannot come back from another process, because it"
            f" cannot be pickled ({_shown(error)}): let the function return plain values"
        ) from None
    return file.getvalue()


def _unpacked(content: bytes, arrive: Callable[[Parts], Agent]) -> Any:
    try:
        return _Unpacker(io.BytesIO(content), arrive).load()
    except Exception as error:
        raise TravelError(
            f"what came back from another process cannot be unpickled here ({_shown(error)})"
        ) from None


def _shown(error: Exception) -> str:
    return escape_controls(f"{type(error).__name__}: {error}"[:_MAX_SHOWN])
