"""
The routes that a deployment has, learnt from its answers.

The version header cannot decide that: every development build reports ``v0.0.0-devel``.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import attrs

from coder_agents.errors import APIError, CoderError, UnsupportedCallError
from coder_agents.errors.advice import Advice
from coder_agents.errors.api import as_kind
from coder_agents.render import escape_controls
from coder_agents.representation.objects import Represented

_DEVELOPMENT = "v0.0.0-devel"
_MAX_VERSION = 80  # characters of a header that any proxy may have set

Route = Literal[
    "metadata_sse",
    "metadata_ws",
    "containers_watch",
    "recreate_by_devcontainer",
    "delete_devcontainer",
    "pty_signed_token",
]


@attrs.frozen
class _OptionalCall:
    """
    A call whose route not every deployment has.

    Attributes:
        name: the call as users write it.
        since: the first release with the route; empty where every release has it.
        is_licensed: whether only licensed builds have the route.
    """

    name: str
    since: str = ""
    is_licensed: bool = False


_CALLS: Mapping[Route, _OptionalCall] = {
    "metadata_sse": _OptionalCall(Advice.WATCH_METADATA.value),
    "metadata_ws": _OptionalCall(Advice.WATCH_METADATA.value, since="2.22"),
    "containers_watch": _OptionalCall(Advice.WATCH_CONTAINERS.value, since="2.25"),
    "recreate_by_devcontainer": _OptionalCall("agent.recreate_devcontainer()", since="2.25"),
    "delete_devcontainer": _OptionalCall("agent.delete_devcontainer()", since="2.30"),
    "pty_signed_token": _OptionalCall("agent.issue_pty_signed_token()", is_licensed=True),
}


@attrs.define(repr=False)
class Capabilities(Represented):
    """
    The routes that a deployment has, as far as its answers have shown.

    A field is None until a request has shown whether the deployment has the route.

    Attributes:
        metadata_sse: whether metadata can be watched over server-sent events.
        metadata_ws: whether metadata can be watched over a WebSocket (2.22 and later). The
            WebSocket is tried only where server-sent events are missing.
        containers_watch: whether containers can be watched (2.25 and later).
        recreate_by_devcontainer: whether a dev container is recreated by its own id (2.25 and
            later), not by the id of its container.
        delete_devcontainer: whether a dev container can be deleted (2.30 and later).
        pty_signed_token: whether the deployment issues tokens for terminals on workspace proxies
            (licensed builds).
        agents_without_watch: the ids of agents that are too old to watch their containers, even
            where the deployment can.
    """

    metadata_sse: bool | None = None
    metadata_ws: bool | None = None
    containers_watch: bool | None = None
    recreate_by_devcontainer: bool | None = None
    delete_devcontainer: bool | None = None
    pty_signed_token: bool | None = None
    # An agent has the release that its deployment had when its workspace was last started.
    agents_without_watch: frozenset[uuid.UUID] = attrs.field(default=frozenset(), repr=False)

    @contextlib.contextmanager
    def requesting(self, route: Route, *, call: str = "") -> Iterator[None]:
        """
        Record whether the deployment has *route*, which the ``with`` block requests.

        An *UnsupportedCallError* that passes through gets *call* and the first release with the route
        into its text. *call* is by default the method that usually requests the route.
        """
        note = self.noting(route, call=call)
        try:
            yield
        except UnsupportedCallError as error:
            note(error)
            raise
        note(None)

    def noting(self, route: Route, *, call: str = "") -> Callable[[CoderError | None], None]:
        """
        Return a function that records how a request for *route* ended.

        The function takes the error, or None where the request was accepted. Connections use it as
        calls use `requesting`.
        """

        def note(error: CoderError | None) -> None:
            if isinstance(error, UnsupportedCallError):
                setattr(self, route, False)
                _name(error, attrs.evolve(_CALLS[route], name=call or _CALLS[route].name))
            elif error is None:
                setattr(self, route, True)

        return note


@contextlib.contextmanager
def naming(route: Route) -> Iterator[None]:
    """
    Add the call that requests *route* to the text of an *UnsupportedCallError* that passes through.
    """
    try:
        yield
    except UnsupportedCallError as error:
        _name(error, _CALLS[route])
        raise


def agent_lacks(route: Route, error: APIError, version: str) -> UnsupportedCallError:
    """
    Return the error for an agent of *version* that does not have the call for *route*.

    The deployment has the call: it passed the agent's answer on, as *error*.
    """
    call = _CALLS[route]
    text = (
        f"{error}\n\t{call.name} came with Coder {call.since}, and this agent"
        f" ({_described(version or 'unknown')}) does not have it:"
        " restart its workspace to update it"
    )
    return as_kind(
        UnsupportedCallError, error, text, call=call.name, since=call.since, agent_version=version
    )


def _name(error: UnsupportedCallError, call: _OptionalCall) -> None:
    if not error.call:
        error.call, error.since = call.name, call.since
        error.args = (f"{error}\n\t{_sentence(call, error.version)}",)


def _sentence(call: _OptionalCall, version: str) -> str:
    where = f"this deployment ({_described(version)})"
    if call.is_licensed:
        return f"{call.name} is only in licensed builds of Coder, and {where} does not have it"
    if call.since:
        return f"{call.name} came with Coder {call.since}, and {where} does not have it"
    return f"{where} does not have {call.name}"


def _described(version: str) -> str:
    if version.startswith(_DEVELOPMENT):
        return f"{escape_controls(version[:_MAX_VERSION])}, a development build"
    if version == "unknown":
        return "of an unknown version"
    return escape_controls(version[:_MAX_VERSION])
