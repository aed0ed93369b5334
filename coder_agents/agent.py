"""
One method for each thing one can do with an agent.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coder_agents import schema
from coder_agents.capabilities import Capabilities
from coder_agents.config import function_or_none, positive_seconds, whole_number
from coder_agents.render import escape_controls
from coder_agents.streams.sources import after as after_params
from coder_agents.transport import HTTP, quoted

if TYPE_CHECKING:
    from coder_agents.devcontainers import Devcontainers, Which
    from coder_agents.readiness.report import StartupReport
    from coder_agents.readiness.wishes import Patience, Wishes
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
    from coder_agents.streams.builds import AcrossBuilds
    from coder_agents.streams.filters import Choice
    from coder_agents.streams.log_feed import LogFeed
    from coder_agents.streams.log_source import AgentLogSource
    from coder_agents.streams.metadata_routes import MetadataRoutes
    from coder_agents.streams.sources import AgentSources
    from coder_agents.transport import Params, Source

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
        data = self._data
        words = f"{self._full_name()} {self.id} {data.status} {data.lifecycle_state}"
        return f"<Agent {escape_controls(words)}>"

    def _full_name(self) -> str:
        from coder_agents.resolve import full_name

        within = "" if self._workspace is None else f"{full_name(self._workspace)}."
        return f"{within}{self._data.name}"

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

    def logs(
        self,
        after: int = 0,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        before: int | None = None,
        source: uuid.UUID | str | Iterable[uuid.UUID | str] | None = None,
        level: str | None = None,
        grep: str | re.Pattern[str] | None = None,
    ) -> list[WorkspaceAgentLog]:
        """
        Return the lines of the log whose ids are above *after*, by id.

        A line has to pass all that is given besides; *tail* keeps the newest of those that do.
        The deployment sends all lines behind *after*: they are chosen here.

        *since* is the earliest time at which the deployment stored it, or how long ago, by the clock
        of this machine. *before* is an id that its id is below. *source* is the id or the
        display name of a source in `data`, or several of them. *level* is the least level; a level
        that is not known passes. *grep* is text in its output, in that case, or a pattern that
        is found there.

        Raises *ValueError* or *TypeError* for what cannot be chosen by, before the log is asked
        for. For a name that `data` does not have, the agent is read again before it is refused.
        """
        params = after_params(whole_number("after", after, least=0))
        choice = self._choose(
            tail=tail, since=since, before=before, source=source, level=level, grep=grep
        )()
        body = self._http.call("GET", self._path("logs"), params=params)
        if choice is None:
            return schema.from_json(body, list[schema.WorkspaceAgentLog])
        from coder_agents.streams.lines import new_lines

        return new_lines(body, lambda ids: None, choice, ids_first=False).logs

    def follow_logs(
        self,
        after: int | str = 0,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        before: int | None = None,
        source: uuid.UUID | str | Iterable[uuid.UUID | str] | None = None,
        level: str | None = None,
        grep: str | re.Pattern[str] | None = None,
        across_builds: bool = False,
        on_build: Callable[[Agent], object] | None = None,
        options: StreamOptions | None = None,
    ) -> LogStream:
        """
        Return a stream of the log's lines behind *after*: those there are, then the new
        ones as they come.

        *after* is an id, or the `LogStream.bookmark` of an earlier stream of this agent. The others
        choose among the lines as they do in `logs`; *tail* among those that are there, what comes
        behind them comes whatever its number. *since* counts from now.

        With *across_builds* the stream goes on with the log of the agent of the same name that the
        workspace's next build has; *on_build* is called with that agent before its first line. It
        ends when the workspace is stopped for good or deleted. It needs `workspace`.

        Raises *ValueError* or *TypeError* for what cannot be, before anything is sent; as `logs`
        does for the name of a source.
        """
        choose = self._choose(
            tail=tail, since=since, before=before, source=source, level=level, grep=grep
        )
        chosen = self._chosen(options)
        policy = None
        if across_builds or on_build is not None:
            self._require_builds(across_builds, on_build)
            policy = self._across_builds(chosen)
        from coder_agents.streams.logs import follow_log, log_feed

        log = self._log_source(chosen)
        feed = log_feed(
            log, after=after, options=chosen, choose=choose, policy=policy, on_follow=on_build
        )
        return follow_log(feed)

    def _log_feed(self, after: int | str, chosen: StreamOptions) -> LogFeed:
        """
        Return the feed of the whole log, unopened.
        """
        from coder_agents.streams.logs import log_feed

        return log_feed(self._log_source(chosen), after=after, options=chosen)

    def _log_source(self, chosen: StreamOptions) -> AgentLogSource:
        from coder_agents.streams.log_source import AgentLogSource

        return AgentLogSource(
            agent_id=self.id,
            sources=self._sources(chosen),
            overflowed=lambda: self._data.logs_overflowed,
            agent=self,
            log_sources=self._data.log_sources,
        )

    def _sources(self, chosen: StreamOptions) -> AgentSources:
        from coder_agents.streams.sources import AgentSources

        return AgentSources(
            http=self._http,
            agent_id=self.id,
            workspace_id=None if self._workspace is None else self._workspace.id,
            capabilities=self._capabilities,
            options=chosen,
        )

    def wait_ready(
        self,
        timeout: float | None = 600,
        *,
        on_log: Callable[[WorkspaceAgentLog], object] | None = None,
        on_state: Callable[[WorkspaceAgent], object] | None = None,
        blocking_only: bool = True,
        strict: bool = False,
    ) -> WorkspaceAgent:
        """
        Wait until the agent can be used, by the rules of Coder's own command, and return it.

        It has to be connected, and its startup scripts to be done. Where they failed or took
        too long it can be used all the same, and a warning is logged.

        Args:
            timeout: seconds; None for without limit. Whatever it is, a request that is under way
                is waited for, and up to 2 seconds for the last lines of the log.
            on_log: called with each line of the log, in the order in which they come, those that
                there are at first too. Without it the log is not followed.
            on_state: called with the agent when it is first read, and whenever its status or its
                lifecycle state is another.
            blocking_only: do not wait for startup scripts where none blocks login.
            strict: raise where a startup script is known to have failed or taken too long.

        Raises *ReadyTimeoutError*, *AgentShutDownError*, and with *strict* *StartupError*. What
        may pass, a lost connection and the statuses 429 and 5xx, is waited out; what *on_log* and
        *on_state* raise passes through.
        """
        from coder_agents.readiness.wishes import Patience, Wishes

        wishes = Wishes(
            timeout=timeout,
            on_log=on_log,
            on_state=on_state,
            blocking_only=blocking_only,
            strict=strict,
        )
        return self._wait_ready(wishes, Patience(timeout))

    def _wait_ready(self, wishes: Wishes, patience: Patience) -> WorkspaceAgent:
        # Of the client, too, whose patience may be used up in part.
        from coder_agents.readiness.lines import Calls
        from coder_agents.readiness.waiting import wait_ready

        calls = Calls(
            id=self.id,
            name=f"agent {escape_controls(self._full_name()) or self.id}",
            read=self.refresh,
            logs=self.logs,
            follow=self.follow_logs,
        )
        return wait_ready(calls, wishes, patience)

    def startup_report(self) -> StartupReport:
        """
        Read the agent and its log, and return what each of its startup scripts did.

        At any time: while they run, after they went well, and after they did not.
        """
        from coder_agents.readiness.report import report_startup

        return report_startup(self.refresh(), self.logs())

    def _choose(self, **asked: Any) -> Callable[[], Choice | None]:
        from coder_agents.streams.filters import LogFilter

        wanted = LogFilter(**asked)

        def choose() -> Choice | None:
            if wanted.unknown(self._data.log_sources):
                self.refresh()  # sources are told of when they first print something
            return wanted.among(self._data.log_sources, datetime.now(UTC))

        return choose

    def _require_builds(self, across_builds: bool, on_build: object) -> None:
        if not across_builds:
            raise ValueError(
                "on_build is called with the next build's agent: add across_builds=True"
            )
        function_or_none("on_build", on_build)
        if self._workspace is None:
            raise ValueError(
                "across_builds needs the agent's workspace, which nothing tells of an agent that was"
                " found by its own UUID: find it by name, as client.agent('workspace.agent') does"
            )

    def _across_builds(self, options: StreamOptions) -> AcrossBuilds:
        from coder_agents.streams.builds import AcrossBuilds

        return AcrossBuilds(
            self._data,
            next_log=lambda newer, data: self._next(newer, data)._log_source(options),
            reconnects=options.reconnect is not None,
        )

    def _next(self, workspace: Workspace, data: WorkspaceAgent) -> Agent:
        return Agent(
            data.id,
            self._http,
            self._stream_options,
            self._capabilities,
            data=data,
            workspace=workspace,
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
        from coder_agents.streams.ports import watch_ports

        positive_seconds("interval", interval)
        return watch_ports(self._sources(self._chosen(options)), interval=interval)

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

        positive_seconds("interval", interval)
        return watch_containers(self._sources(self._chosen(options)), interval=interval)

    def _chosen(self, options: StreamOptions | None) -> StreamOptions:
        # A stream outlives its client, but is not opened by one that is closed.
        self._http.check_open()
        return options or self._stream_options

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
