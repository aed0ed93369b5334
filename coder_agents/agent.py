"""
One method for each thing one can do with an agent.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coder_agents import schema, streams, transport
from coder_agents.config import positive_seconds, whole_number
from coder_agents.releases import Capabilities
from coder_agents.render import escape_controls
from coder_agents.transport import HTTP, quoted

if TYPE_CHECKING:
    from coder_agents.devcontainers import Devcontainers, Which
    from coder_agents.schema import (
        Response,
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentListContainersResponse,
        WorkspaceAgentListeningPort,
        WorkspaceAgentLog,
        WorkspaceAgentMetadata,
    )
    from coder_agents.streams import (
        ContainersStream,
        LogStream,
        MetadataStream,
        PortsStream,
        StreamOptions,
    )
    from coder_agents.streams.metadata_routes import MetadataRoutes
    from coder_agents.transport import (
        DocumentSource,
        Params,
        PolledSource,
        Source,
        WebSocketSource,
    )

_WAIT_INTERVAL = 2.0  # seconds between two looks at a devcontainer


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
        chosen = self._chosen(options)
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

        The route that this deployment has is found out by asking, once: server-sent events,
        or a WebSocket where they are not there.
        """
        from coder_agents.streams.metadata import watch

        return watch(self._metadata_routes("agent.watch_metadata()", self._chosen(options)))

    def metadata(self, *, timeout: float = 10.0) -> list[WorkspaceAgentMetadata]:
        """
        Return the agent's metadata as it is now.

        There is no call for that: the watch is opened, and closed after its first event.

        Raises *RequestTimeoutError* where that is not there within *timeout* seconds, *StreamError*
        where the connection breaks off before, *ServerEventError* where the deployment sends
        an error.
        """
        return self._read_metadata("agent.metadata()", timeout, tell=lambda source: None)

    def _read_metadata(
        self, call: str, timeout: float, *, tell: Callable[[Source[Any]], object]
    ) -> list[WorkspaceAgentMetadata]:
        from coder_agents.streams.metadata import read_once

        positive_seconds("timeout", timeout)
        routes = self._metadata_routes(call, self._chosen(None))
        return read_once(routes, timeout=timeout, tell=tell)

    def _metadata_routes(self, call: str, options: StreamOptions) -> MetadataRoutes:
        from coder_agents.streams.metadata_routes import MetadataRoutes

        return MetadataRoutes(
            http=self._http,
            agent_id=self.id,
            capabilities=self._capabilities,
            options=options,
            call=call,
        )

    def watch_listening_ports(
        self, interval: float = 5.0, *, options: StreamOptions | None = None
    ) -> PortsStream:
        """
        Return a stream of the ports that something in the workspace listens on; each item is
        the full list.

        No deployment tells of ports by itself: it is asked *interval* seconds after each answer.

        Raises *AgentNotConnectedError* where the agent is not connected.
        """
        return streams.PortsStream(
            self._polling("listening-ports", interval=interval, options=options),
            what=f"the ports of agent {self.id}",
            options=self._chosen(options),
        )

    def watch_containers(
        self, *, interval: float = 5.0, options: StreamOptions | None = None
    ) -> ContainersStream:
        """
        Return a stream of the agent's containers and devcontainers; each item is all of them.

        Deployments before 2.25 do not tell of containers by themselves: those are asked
        *interval* seconds after each answer.

        Raises *AgentNotConnectedError* where the agent is not connected.
        """
        from coder_agents.streams.containers import watch_containers

        polling = self._polling("containers", interval=interval, options=options)
        chosen = self._chosen(options)
        return watch_containers(
            lambda: self._websocket(
                "containers",
                "watch",
                options=chosen,
                opening=partial(self._capabilities.asking, "containers_watch"),
            ),
            polling,
            self._capabilities,
            what=f"the containers of agent {self.id}",
            options=chosen,
        )

    def _polling(
        self, *segments: str, interval: float, options: StreamOptions | None
    ) -> Callable[[], PolledSource]:
        positive_seconds("interval", interval)
        chosen = self._chosen(options)
        path = self._path(*segments)
        return lambda: transport.PolledSource(
            lambda: self._document(path, chosen), interval=interval
        )

    def _document(self, path: str, options: StreamOptions) -> DocumentSource:
        return transport.DocumentSource(
            self._http,
            path,
            idle_timeout=options.idle_timeout,
            max_message_size=options.max_message_size,
        )

    def _chosen(self, options: StreamOptions | None) -> StreamOptions:
        # A stream outlives its client, but is not opened by one that is closed.
        self._http.check_open()
        return options or self._stream_options

    def _websocket(
        self,
        *segments: str,
        params: Params = (),
        options: StreamOptions,
        opening: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> WebSocketSource:
        return transport.WebSocketSource(
            self._http,
            self._path(*segments),
            params,
            idle_timeout=options.idle_timeout,
            max_message_size=options.max_message_size,
            opening=opening,
        )

    def _workspace_source(self, options: StreamOptions) -> Callable[[], DocumentSource] | None:
        if self._workspace is None:
            return None
        path = quoted("workspaces", self._workspace.id)
        return lambda: self._document(path, options)

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

        Raises *AgentNotConnectedError* where the agent is not connected; *ValueError* or
        *TypeError*, before any request, for labels that cannot be asked for.
        """
        body = self._http.call("GET", self._path("containers"), params=_label_params(labels))
        return schema.from_json(body, schema.WorkspaceAgentListContainersResponse)

    def recreate_devcontainer(self, which: Which) -> Response:
        """
        Start to build *which* anew and return what the deployment says.

        *which* is a devcontainer, its id or name, or its container or the id or name of
        that. An id goes before a name, a devcontainer's before its container's. The route that
        this deployment has is found out by asking, once.

        Raises *NotFoundError* where the agent lists no such devcontainer, *ValueError* where it
        lists several, *ConflictError* where it is being recreated already.
        """
        return self._devcontainers().recreate(which)

    def delete_devcontainer(self, which: Which) -> None:
        """
        Delete *which*, and with it its container and the agent inside.

        *which* is as for `recreate_devcontainer`, and so are the errors. Raises
        *UnsupportedError* on deployments before 2.30, which do not have the call.
        """
        self._devcontainers().delete(which)

    def wait_devcontainer(
        self, which: Which, *, timeout: float | None = 600
    ) -> WorkspaceAgentDevcontainer:
        """
        Wait until *which* is running and return it as it is then.

        *which* is as for `recreate_devcontainer`; *timeout* is in seconds, None for no limit. Behind
        `recreate_devcontainer` it is the new container that is waited for. Deployments before
        2.25 are asked every 2 seconds.

        Raises *DevcontainerError*, with the deployment's text, where it went wrong;
        *DevcontainerTimeoutError*; *NotFoundError* where the agent lists no such devcontainer, or
        no longer; and what `watch_containers` raises.
        """
        watch = partial(self.watch_containers, interval=_WAIT_INTERVAL)
        return self._devcontainers().wait(which, timeout, watch)

    def _devcontainers(self) -> Devcontainers:
        from coder_agents.devcontainers import Devcontainers

        return Devcontainers(self.id, self._http, self._capabilities)

    def issue_pty_signed_token(self, url: str) -> str:
        """
        Return a token that opens the agent's terminal at *url*, once.

        *url* is the ``ws`` or ``wss`` URL of the terminal on a workspace proxy.

        Raises *UnsupportedError* on open-source builds, which do not have the call.
        """
        if urlsplit(url).scheme not in ("ws", "wss"):
            raise ValueError(f"url must begin with wss:// or ws://, but it is {url!r}")
        request = schema.IssueReconnectingPTYSignedTokenRequest(url=url, agent_id=self.id)
        path = "/applications/reconnecting-pty-signed-token"
        with self._capabilities.asking("pty_signed_token"):
            body = self._http.call("POST", path, body=schema.to_json(request))
        return schema.from_json(body, schema.IssueReconnectingPTYSignedTokenResponse).signed_token

    def _path(self, *segments: str) -> str:
        return quoted("workspaceagents", self.id, *segments)


def _after(after: int) -> Params:
    whole_number("after", after, least=0)
    return [("after", str(after))] if after else []


def _label_params(labels: Mapping[str, str] | None) -> Params:
    if labels is None:
        return []
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels must be a map of text to text, not a {type(labels).__name__}")
    return [("label", _label(key, value)) for key, value in labels.items()]


def _label(key: str, value: str) -> str:
    for text in (key, value):
        if not isinstance(text, str):
            raise TypeError(f"labels must be text, not {type(text).__name__}")
        if re.search("[\ud800-\udfff]", text):
            raise ValueError(f"a label must be text that UTF-8 can tell, not {text!r}")
    if not key or "=" in key or "=" in value:
        raise ValueError(
            f"the label {key!r}: {value!r} cannot be asked for: a key must not be empty,"
            " and neither key nor value may hold a '='"
        )
    return f"{key}={value}"
