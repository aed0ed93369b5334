"""
One method for each thing one can do with an agent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coder_agents import schema, streams, transport
from coder_agents.config import whole_number
from coder_agents.errors import NotFoundError, UnsupportedError
from coder_agents.releases import Capabilities
from coder_agents.render import escape_controls
from coder_agents.transport import HTTP, quoted

if TYPE_CHECKING:
    from coder_agents.schema import (
        Response,
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentListContainersResponse,
        WorkspaceAgentListeningPort,
        WorkspaceAgentLog,
    )
    from coder_agents.streams import ContainersStream, LogStream, MetadataStream, StreamOptions
    from coder_agents.transport import DocumentSource, Params, WebSocketSource


class Agent:
    """
    A workspace agent.

    Found by `Client.agent` and `Client.agents`. Every method raises *APIError* where the deployment says no
    and *TransportError* where it does not answer.
    """

    def __init__(
        self,
        id: uuid.UUID,
        http: HTTP,
        stream_options: StreamOptions,
        capabilities: Capabilities,
        *,
        data: WorkspaceAgent | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        self.id = id
        self._http = http
        self._stream_options = stream_options
        self._capabilities = capabilities
        self._data = schema.WorkspaceAgent(id=id) if data is None else data
        self._workspace = workspace

    def __repr__(self) -> str:
        from coder_agents.finding import full_name

        data = self._data
        within = "" if self._workspace is None else f"{full_name(self._workspace)}."
        words = f"{within}{data.name} {self.id} {data.status} {data.lifecycle_state}"
        return f"<Agent {escape_controls(words)}>"

    @property
    def label(self) -> str:
        """
        What people call the agent, safe to print: ``workspace.agent``.

        Its name alone where it was found by its own UUID.
        """
        within = "" if self._workspace is None else f"{self._workspace.name}."
        return escape_controls(f"{within}{self._data.name}")

    @property
    def data(self) -> WorkspaceAgent:
        """
        The agent as it was last read.
        """
        return self._data

    @property
    def workspace(self) -> Workspace | None:
        """
        The workspace, as it was when the agent was found through it.

        None for an agent that was found by its own UUID: the deployment does not tell.
        """
        return self._workspace

    def refresh(self) -> WorkspaceAgent:
        """
        Read the agent again and return it; also in `data` from then on.

        `workspace` stays as it is.
        """
        self._data = schema.from_json(self._http.call("GET", self._path()), schema.WorkspaceAgent)
        return self._data

    def logs(self, after: int = 0) -> list[WorkspaceAgentLog]:
        """
        Return the lines of the log whose ids are above *after*, by id.
        """
        body = self._http.call("GET", self._path("logs"), params=_after(after))
        return schema.from_json(body, list[schema.WorkspaceAgentLog])

    def follow_logs(
        self, after: int | str = 0, *, options: StreamOptions | None = None
    ) -> LogStream:
        """
        Return a stream of the log's lines behind *after*: those there are, then the new
        ones as they come.

        *after* is an id, or the `LogStream.bookmark` of an earlier stream of this agent.
        """
        return self._log_stream(after, self._chosen(options)).open()

    def _log_stream(self, after: int | str, chosen: StreamOptions) -> LogStream:
        """
        Return the stream that `follow_logs` returns, unopened.
        """
        return streams.LogStream(
            lambda floor: self._websocket(
                "logs",
                params=[*_after(floor), ("follow", ""), ("no_compression", "")],
                options=chosen,
            ),
            agent_id=self.id,
            after=after,
            options=chosen,
            workspace=self._workspace_source(chosen),
            overflowed=lambda: self._data.logs_overflowed,
        )

    def watch_metadata(self, *, options: StreamOptions | None = None) -> MetadataStream:
        """
        Return a stream of the agent's metadata; each item is the full list.
        """
        chosen = self._chosen(options)
        return streams.MetadataStream(
            lambda: transport.SSESource(
                self._http,
                self._path("watch-metadata"),
                idle_timeout=chosen.idle_timeout,
                max_message_size=chosen.max_message_size,
            ),
            what=f"the metadata of agent {self.id}",
            options=chosen,
        ).open()

    def watch_containers(self, *, options: StreamOptions | None = None) -> ContainersStream:
        """
        Return a stream of the agent's containers and devcontainers; each item is all of them.

        Raises *AgentNotConnectedError* where the agent is not connected, *UnsupportedError*
        on deployments before 2.25, which do not have the call.
        """
        chosen = self._chosen(options)
        return streams.ContainersStream(
            lambda: self._websocket("containers", "watch", options=chosen),
            what=f"the containers of agent {self.id}",
            options=chosen,
        ).open()

    def _chosen(self, options: StreamOptions | None) -> StreamOptions:
        # A stream outlives its client, but is not opened by one that is closed.
        self._http.check_open()
        return options or self._stream_options

    def _websocket(
        self, *segments: str, params: Params = (), options: StreamOptions
    ) -> WebSocketSource:
        return transport.WebSocketSource(
            self._http,
            self._path(*segments),
            params,
            idle_timeout=options.idle_timeout,
            max_message_size=options.max_message_size,
        )

    def _workspace_source(self, options: StreamOptions) -> Callable[[], DocumentSource] | None:
        if self._workspace is None:
            return None
        path = quoted("workspaces", self._workspace.id)
        return lambda: transport.DocumentSource(
            self._http,
            path,
            idle_timeout=options.idle_timeout,
            max_message_size=options.max_message_size,
        )

    def listening_ports(self) -> list[WorkspaceAgentListeningPort]:
        """
        Return the ports that something in the workspace listens on.

        An empty list can also mean that the agent's platform cannot tell. The
        deployment gives the agent 30 seconds to answer.

        Raises *AgentNotConnectedError* where the agent is not connected.
        """
        body = self._http.call("GET", self._path("listening-ports"))
        return list(schema.from_json(body, schema.WorkspaceAgentListeningPortsResponse).ports)

    def containers(
        self, labels: Mapping[str, str] | None = None
    ) -> WorkspaceAgentListContainersResponse:
        """
        Return the containers and devcontainers that the agent sees.

        *labels* must all match; they choose among the containers, not among the
        devcontainers. The deployment gives the agent 30 seconds to answer.

        Raises *AgentNotConnectedError* where the agent is not connected, *ValueError* for
        a label that cannot be asked for.
        """
        params = [("label", _label(key, value)) for key, value in (labels or {}).items()]
        body = self._http.call("GET", self._path("containers"), params=params)
        return schema.from_json(body, schema.WorkspaceAgentListContainersResponse)

    def recreate_devcontainer(
        self, which: WorkspaceAgentDevcontainer | uuid.UUID | str
    ) -> Response:
        """
        Start to build *which* anew and return what the deployment says.

        *which* is a devcontainer, its id or name, or the id or name of its container.
        The route that this deployment has is found out by asking, once.

        Raises *NotFoundError* where the agent lists no such devcontainer, *ConflictError*
        where it is being recreated already.
        """
        devcontainer = self._devcontainer(which)
        if self._capabilities.recreate_by_devcontainer is not False:
            try:
                answer = self._recreate(str(devcontainer.id))
            except UnsupportedError:
                self._capabilities.recreate_by_devcontainer = False
            else:
                self._capabilities.recreate_by_devcontainer = True
                return answer
        if devcontainer.container is None:
            devcontainer = self._listed(str(devcontainer.id))
        container = devcontainer.container
        return self._recreate("container", devcontainer.name if container is None else container.id)

    def _recreate(self, *which: str) -> Response:
        path = self._path("containers", "devcontainers", *which, "recreate")
        return schema.from_json(self._http.call("POST", path, expect=202), schema.Response)

    def _devcontainer(
        self, which: WorkspaceAgentDevcontainer | uuid.UUID | str
    ) -> WorkspaceAgentDevcontainer:
        if isinstance(which, schema.WorkspaceAgentDevcontainer):
            return which
        try:
            return schema.WorkspaceAgentDevcontainer(id=uuid.UUID(str(which)))
        except ValueError:
            return self._listed(str(which))

    def _listed(self, name: str) -> WorkspaceAgentDevcontainer:
        there = self.containers().devcontainers
        for devcontainer in there:
            if name in (str(devcontainer.id), devcontainer.name):
                return devcontainer
        for devcontainer in there:
            if devcontainer.container is not None and devcontainer.container.match(name):
                return devcontainer
        listed = ", ".join(repr(devcontainer.name) for devcontainer in there) or "none"
        message = f"agent {self.id} has no devcontainer {name!r}; it lists: {listed}"
        raise NotFoundError(message, message=message)

    def issue_pty_signed_token(self, url: str) -> str:
        """
        Return a token that opens the agent's terminal at *url*, once.

        *url* is the ``ws`` or ``wss`` URL of the terminal on a workspace proxy.

        Raises *UnsupportedError* on open-source builds, which do not have the call.
        """
        if urlsplit(url).scheme not in ("ws", "wss"):
            raise ValueError(f"url must begin with wss:// or ws://, but it is {url!r}")
        request = schema.IssueReconnectingPTYSignedTokenRequest(url=url, agent_id=self.id)
        body = self._http.call(
            "POST", "/applications/reconnecting-pty-signed-token", body=schema.to_json(request)
        )
        return schema.from_json(body, schema.IssueReconnectingPTYSignedTokenResponse).signed_token

    def _path(self, *segments: str) -> str:
        return quoted("workspaceagents", self.id, *segments)


def _after(after: int) -> Params:
    whole_number("after", after, least=0)
    return [("after", str(after))] if after else []


def _label(key: str, value: str) -> str:
    for text in (key, value):
        if not isinstance(text, str):
            raise TypeError(f"labels must be text, not {type(text).__name__}")
    if not key or "=" in key or "=" in value:
        raise ValueError(
            f"the label {key!r}: {value!r} cannot be asked for: a key must not be empty,"
            " and neither key nor value may hold a '='"
        )
    return f"{key}={value}"
