"""
Every exception that this package raises.

A leaf: it imports nothing of the package, and of requests only the exceptions,
so that old code which catches `requests.HTTPError` goes on working.

All of them can be pickled: their first argument is their text and the rest are
plain attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from requests.exceptions import HTTPError

if TYPE_CHECKING:
    import requests

    from coder_agents.schema import (
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentLifecycle,
        WorkspaceAgentLog,
        WorkspaceAgentScript,
        WorkspaceAgentStatus,
        WorkspaceStatus,
    )


class CoderError(Exception):
    """
    The root of all errors of this package.

    Attributes:
        last_id: where the error ended a followed log, the newest id that the stream yielded.
        bookmark: where the error ended a followed log, what another stream takes as ``after=`` to
            continue with no line lost or repeated; for several agents' logs, a mapping.
    """

    last_id: int | None = None
    bookmark: Any = None


class ConfigError(CoderError, ValueError):
    """
    The settings do not say how to reach a deployment: nothing was sent.

    Raised for a missing or malformed URL, token, time-out, header or TLS
    setting. Where something was looked for, the text names each place.
    """


class TransportError(CoderError):
    """
    The deployment could not be reached, or the exchange with it broke off.

    The connection was refused or lost, a host name is unknown, a proxy said no.
    """


class TLSError(TransportError):
    """
    The TLS handshake failed: an unknown authority, a wrong host name, a refused
    client certificate.
    """


class RequestTimeoutError(TransportError, TimeoutError):
    """
    No connection or no answer within the time-out.
    """


class APIError(CoderError, HTTPError):
    """
    The deployment answered with a status that is not success.

    It is also a `requests.HTTPError`. Its text is the one of Coder's Go client:
    ``METHOD URL: unexpected status code N: MESSAGE: HELPER`` and a line for the
    detail and for each validation.

    Attributes:
        status_code: the HTTP status.
        method: the request's method.
        url: the request's URL.
        message: what the deployment says went wrong.
        detail: more of it, or an empty string.
        validations: pairs of a field's name and what is wrong with it.
        retry_after: seconds the deployment asks to wait, None when it does not.
        by_deployment: whether the body has the form of Coder's own errors; False for
            the page of a proxy in between.
        request: the request, without the token.
        response: the response; its request is without the token, too.
    """

    def __init__(
        self,
        text: str = "",
        *,
        status_code: int = 0,
        method: str = "",
        url: str = "",
        message: str = "",
        detail: str = "",
        validations: Sequence[tuple[str, str]] = (),
        retry_after: float | None = None,
        by_deployment: bool = True,
        request: requests.PreparedRequest | None = None,
        response: requests.Response | None = None,
    ) -> None:
        super().__init__(text, request=request, response=response)
        self.status_code = status_code
        self.method = method
        self.url = url
        self.message = message
        self.detail = detail
        self.validations = tuple(validations)
        self.retry_after = retry_after
        self.by_deployment = by_deployment


class BadRequestError(APIError):
    """
    400: the deployment does not accept the request; ``validations`` may say why.
    """


class AgentNotConnectedError(BadRequestError):
    """
    400: the call needs a connected agent, and this one is not.
    """


class AuthenticationError(APIError):
    """
    401: no token, a wrong one, or one that has expired.
    """


class PermissionDeniedError(APIError):
    """
    403: the token's user may not do this.
    """


class NotFoundError(APIError):
    """
    404: there is no such object, or the token's user may not see it.
    """


class ConflictError(APIError):
    """
    409: the object is in a state that does not allow this now.
    """


class RateLimitError(APIError):
    """
    429: too many requests; `retry_after` says how long to wait.
    """


class ServerError(APIError):
    """
    500 to 599: the deployment or a proxy before it failed.
    """


class UnsupportedError(APIError):
    """
    404 ``Route not found.``: this deployment does not have the call.

    Not a `NotFoundError`: no object is missing, the release is too old, too new,
    or built without the feature.

    Attributes:
        call: the method that asks for it, such as ``agent.delete_devcontainer()``.
        since: the release of Coder that brought it, such as ``2.30``; empty where that is
            no matter of the release.
    """

    def __init__(self, text: str = "", *, call: str = "", since: str = "", **told: Any) -> None:
        super().__init__(text, **told)
        self.call = call
        self.since = since

    @property
    def version(self) -> str:
        """
        What the deployment says it is, such as ``v2.24.0``; ``unknown`` where it does not.
        """
        headers = {} if self.response is None else self.response.headers
        return headers.get("X-Coder-Build-Version") or "unknown"


class FindingError(CoderError, LookupError):
    """
    A name leads to no agent, though the deployment answered.

    Attributes:
        workspace: the workspace as it was found; None where none was.
    """

    def __init__(self, text: str = "", *, workspace: Workspace | None = None) -> None:
        super().__init__(text)
        self.workspace = workspace


class WorkspaceNotFoundError(FindingError):
    """
    There is no such workspace, or the token's user may not see it.

    Attributes:
        near: names of workspaces of the same owner that are like the one asked for,
            the likest first.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, near: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.near = tuple(near)


class WorkspaceStoppedError(FindingError):
    """
    The workspace is stopped, and so has no agents.
    """


class WorkspacePendingError(FindingError):
    """
    The workspace's latest build is not through, and lists no agents yet, or no more.

    Attributes:
        status: how far it has come: pending, starting, stopping, canceling, deleting.
    """

    def __init__(
        self,
        text: str = "",
        *,
        workspace: Workspace | None = None,
        status: WorkspaceStatus | str = "",
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.status = status


class WorkspaceFailedError(FindingError):
    """
    The workspace's latest build failed or was canceled, and lists no agents.

    Attributes:
        job_error: why, as the deployment says it; empty where it does not.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, job_error: str = ""
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.job_error = job_error


class NoAgentsError(FindingError):
    """
    The workspace's latest build went well, and made no agents.
    """


class AmbiguousAgentError(FindingError):
    """
    The workspace has several agents, and nothing says which one is meant.

    Attributes:
        agents: the names of those that it can be.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, agents: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.agents = tuple(agents)


class AgentNotFoundError(FindingError):
    """
    The workspace has agents, but none of that name.

    Attributes:
        agents: the names of those that it has.
    """

    def __init__(
        self, text: str = "", *, workspace: Workspace | None = None, agents: Sequence[str] = ()
    ) -> None:
        super().__init__(text, workspace=workspace)
        self.agents = tuple(agents)


class ReadinessError(CoderError):
    """
    An agent did not become ready.

    Attributes:
        agent: as it was last read; None where the workspace had none yet.
        last_lines: the last lines of its log that tell of it; empty where there are none, or
            where they cannot be read.
    """

    def __init__(
        self,
        text: str = "",
        *,
        agent: WorkspaceAgent | None = None,
        last_lines: Sequence[WorkspaceAgentLog] = (),
    ) -> None:
        super().__init__(text)
        self.agent = agent
        self.last_lines = tuple(last_lines)


class StartupError(ReadinessError):
    """
    A startup script failed or was too slow; the agent can be used all the same.

    Attributes:
        script: the script; None where the deployment does not tell which one, before 2.35.
        source: the name of the log source that ``last_lines`` are from. Without a *script* it is
            the one that wrote the last line to standard error, which need not be the one that
            failed. Empty where ``last_lines`` are from all.
        exit_code: the script's; None without a *script*.
    """

    def __init__(
        self,
        text: str = "",
        *,
        agent: WorkspaceAgent | None = None,
        script: WorkspaceAgentScript | None = None,
        source: str = "",
        exit_code: int | None = None,
        last_lines: Sequence[WorkspaceAgentLog] = (),
    ) -> None:
        super().__init__(text, agent=agent, last_lines=last_lines)
        self.script = script
        self.source = source
        self.exit_code = exit_code


class AgentShutDownError(ReadinessError):
    """
    The agent is shutting down, or off; it is not known to come back.
    """


class ReadyTimeoutError(ReadinessError, TimeoutError):
    """
    The agent, or its workspace's build, took longer than there was time.

    Attributes:
        status: whether the deployment is in touch with the agent; empty without an agent.
        lifecycle_state: how far its scripts are; empty without an agent.
        running: the names of the startup scripts that are known to run still. From 2.35, and
            where there is only one; empty where nobody can know.
        waited: seconds.
    """

    def __init__(
        self,
        text: str = "",
        *,
        agent: WorkspaceAgent | None = None,
        running: Sequence[str] = (),
        waited: float = 0.0,
        last_lines: Sequence[WorkspaceAgentLog] = (),
    ) -> None:
        super().__init__(text, agent=agent, last_lines=last_lines)
        self.status: WorkspaceAgentStatus | str = "" if agent is None else agent.status
        self.lifecycle_state: WorkspaceAgentLifecycle | str = (
            "" if agent is None else agent.lifecycle_state
        )
        self.running = tuple(running)
        self.waited = waited


class DevcontainerError(CoderError):
    """
    A devcontainer that was waited for went wrong.

    Attributes:
        devcontainer: as it was seen last.
        error: why, as the deployment says it; empty where it does not, as before 2.31.
    """

    def __init__(
        self,
        text: str = "",
        *,
        devcontainer: WorkspaceAgentDevcontainer | None = None,
        error: str = "",
    ) -> None:
        super().__init__(text)
        self.devcontainer = devcontainer
        self.error = error


class DevcontainerTimeoutError(DevcontainerError, TimeoutError):
    """
    A devcontainer that was waited for does not run, nor has it failed, within the time-out.

    ``devcontainer`` is None where the agent was not heard of meanwhile.
    """


class DecodeError(CoderError, ValueError):
    """
    What came is not what the API promises.

    Attributes:
        path: where in the document, such as ``$.apps[3].health``.
        wanted: the type that belongs there.
        found: a short cut of what was there.
        by_deployment: False for the page of something between, such as a login page.
    """

    def __init__(
        self,
        text: str = "",
        *,
        path: str = "$",
        wanted: str = "",
        found: str = "",
        by_deployment: bool = True,
    ) -> None:
        super().__init__(text)
        self.by_deployment = by_deployment
        self.path = path
        self.wanted = wanted
        self.found = found


class StreamError(CoderError):
    """
    A stream broke off, or could not go on.

    Attributes:
        code: the WebSocket close code; None where none was received.
        reason: what the peer gave as its reason, or an empty string.
        last_id: the newest id that was yielded; None on a stream without ids.
        bookmark: what to pass as ``after=`` to go on; None on a stream without ids.
    """

    def __init__(
        self,
        text: str = "",
        *,
        code: int | None = None,
        reason: str = "",
        last_id: int | None = None,
        bookmark: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.last_id = last_id
        self.bookmark = bookmark


class MessageTooLargeError(StreamError):
    """
    One message is larger than `StreamOptions.max_message_size`.
    """


class ServerEventError(StreamError):
    """
    The deployment sent an error event and ended the stream.

    Attributes:
        message: what the deployment says went wrong.
        detail: more of it, or an empty string.
    """

    def __init__(
        self,
        text: str = "",
        *,
        message: str = "",
        detail: str = "",
        last_id: int | None = None,
    ) -> None:
        super().__init__(text, last_id=last_id)
        self.message = message
        self.detail = detail
