"""
Settings in, agents out.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import attrs

from coder_agents import schema
from coder_agents.agent import Agent
from coder_agents.capabilities import Capabilities
from coder_agents.config import Cert, check_settings, from_environment
from coder_agents.errors import ConfigError
from coder_agents.streams import StreamOptions
from coder_agents.transport import HTTP

if TYPE_CHECKING:
    import requests

    from coder_agents.batch import MetadataOfAgents
    from coder_agents.errors import CoderError
    from coder_agents.schema import (
        BuildInfoResponse,
        User,
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentLog,
    )
    from coder_agents.streams import MergedLogStream


class Client:
    """
    A Coder deployment, as one token's user sees it.

    Making one does no input or output. It is a context manager; leaving it closes
    the connections that are kept for the next REST call, not the streams.

    Args:
        url: the deployment's URL; a path prefix is kept.
        token: a session token, as ``coder tokens create`` prints it.
        timeout: seconds, or a pair: seconds to connect and seconds without an answer.
        retries: how often a GET is tried again after a lost connection, 502, 503, 504,
            or 429 with ``Retry-After``. All waiting together is no longer than the
            read time-out.
        verify: False, or a file of certificate authorities, as in requests.
        cert: a client certificate: a file, or a pair of certificate and key.
        headers: sent with every request.
        proxies: as in requests; without it the environment's proxy variables hold.
        user_agent: the ``User-Agent`` header.
        stream: how this client's streams behave.
        session: an old code base's own session. REST calls go through it as it is,
            with its cookies, netrc and retries; streams take TLS settings, proxies and
            headers from it. It is neither changed nor closed, and *verify*, *cert* and
            *proxies* are its own.

    Raises *ConfigError*, *ValueError* or *TypeError* for settings that cannot work.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float | tuple[float, float] = (10, 60),
        retries: int = 3,
        verify: bool | str | os.PathLike[str] = True,
        cert: Cert | None = None,
        headers: Mapping[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        stream: StreamOptions = StreamOptions(),  # noqa: B008 (frozen)
        session: requests.Session | None = None,
    ) -> None:
        settings = check_settings(
            url,
            token,
            timeout=timeout,
            retries=retries,
            verify=verify,
            cert=cert,
            headers=headers,
            proxies=proxies,
            user_agent=user_agent,
        )
        if session is not None and (verify is not True or cert or proxies):
            raise ConfigError(
                "verify, cert and proxies are the session's own: set them on the session"
            )
        self._http = HTTP(settings, session)
        self._stream_options = stream
        self._capabilities = Capabilities()

    @classmethod
    def from_env(cls, url: str | None = None, token: str | None = None, **options: Any) -> Self:
        """
        Return a client as Coder's CLI would find its deployment.

        In this order: the arguments, ``CODER_URL`` and ``CODER_SESSION_TOKEN``, the
        files that ``coder login`` wrote. *options* are those of `Client`; they go before
        ``CODER_HEADER``, ``CODER_CLIENT_TLS_CA_FILE``, ``CODER_CLIENT_TLS_CERT_FILE`` and
        ``CODER_CLIENT_TLS_KEY_FILE``.

        Raises *ConfigError* that names every place it looked at.
        """
        found = from_environment(os.environ, url=url, token=token)
        return cls(**{**found, **options})

    def __repr__(self) -> str:
        return f"<Client {self._http.settings.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """
        Close the connections that are kept for the next REST call.
        """
        self._http.close()

    def agent(self, ref: uuid.UUID | str) -> Agent:
        """
        Return the agent that *ref* names.

        *ref* is ``[owner/]workspace[.agent]``, or the UUID of an agent or of a workspace. Without
        an agent's name it is the workspace's only agent, or the only one that is not a sub-agent.
        One request; two for the UUID of a workspace, which looks like an agent's: agents are
        tried first.

        Raises *FindingError* where the name leads to no agent: its subclasses say why;
        *NotFoundError* for a UUID that is neither an agent's nor a workspace's; *ValueError* or
        *TypeError*, before any request, where *ref* can be neither.
        """
        from coder_agents.resolve import parse_reference, resolve_agent

        return self._agent(*resolve_agent(self._http, parse_reference(ref)))

    def wait_ready(
        self,
        ref: uuid.UUID | str,
        timeout: float | None = 600,
        *,
        on_log: Callable[[WorkspaceAgentLog], object] | None = None,
        on_state: Callable[[WorkspaceAgent], object] | None = None,
        blocking_only: bool = True,
        strict: bool = False,
    ) -> Agent:
        """
        Return the agent that *ref* names, once it can be used.

        While the workspace is being started, its build is waited for, then the agent as by
        `Agent.wait_ready`, where the arguments are described; *timeout* is for both together. While it
        is being stopped, and for 10 seconds after that, it is expected to be started again, as in a
        restart; also where it is restarted while its agent is waited for.

        Raises what `agent` raises, but for *WorkspacePendingError* of a build that starts or stops the
        workspace, and what `Agent.wait_ready` raises.
        """
        from coder_agents.readiness.builds import wait_named
        from coder_agents.readiness.options import Deadline, WaitOptions

        options = WaitOptions(
            timeout=timeout,
            on_log=on_log,
            on_state=on_state,
            blocking_only=blocking_only,
            strict=strict,
        )
        return wait_named(lambda: self.agent(ref), options, Deadline(timeout))

    def agents(self, query: str | None = None) -> Iterator[Agent]:
        """
        Return a generator of all agents of the workspaces that *query* finds.

        See `workspaces`. One request for each hundred workspaces, when they are needed.
        """
        found = self.workspaces(query)
        return (self._agent(agent, each) for each in found for agent in each.latest_build.agents)

    def metadata(
        self,
        agents: Iterable[Agent] | None = None,
        *,
        timeout: float = 10.0,
        workers: int = 16,
    ) -> MetadataOfAgents:
        """
        Return the metadata of many agents as it is now; None takes all of your own, as `agents` does.

        As `Agent.metadata` for each, of *workers* agents at the same time at most, each of which has
        *timeout* seconds. What goes wrong with one is among the `MetadataOfAgents.failures` and
        takes nothing from the others. The threads that ask have ended when this returns, and
        Ctrl-C ends them and their connections; only a TCP connect that nobody answers runs to its
        time-out.

        Raises what `agents` raises, and *TypeError* or *ValueError* before anything is asked.
        """
        from coder_agents.batch import read_metadata

        asked = self.agents() if agents is None else agents
        return read_metadata(asked, timeout=timeout, workers=workers)

    def follow_logs(
        self,
        agents: Iterable[Agent],
        *,
        after: Mapping[uuid.UUID, int | str] | None = None,
        on_failure: Callable[[Agent, CoderError], object] | None = None,
        options: StreamOptions | None = None,
    ) -> MergedLogStream[Agent]:
        """
        Return a stream of the lines of the logs of *agents*: those there are, in the order of
        their ids, then the new ones as they come. Each item is an `AgentLog`.

        *after* says for an agent's id, where it says anything, behind what to begin: an id, or a
        bookmark such as `MergedLogStream.bookmarks` has.

        Where the log of one agent fails, now or later, *on_failure* is called with the agent and the error,
        and the others go on. Where all fail now, the error of the first is raised; the others'
        are its notes.

        Raises *ValueError* or *TypeError*, before any request, for an agent that is there
        twice or is of another deployment.
        """
        from coder_agents.streams.merged import follow_merged

        self._http.check_open()
        followed, begin = list(agents), dict(after or {})
        self._check_followed(followed, begin)
        return follow_merged(
            followed,
            lambda agent, chosen: agent._log_feed(begin.get(agent.id, 0), chosen),
            on_failure=on_failure,
            options=options or self._stream_options,
        )

    def _check_followed(self, agents: list[Agent], after: Mapping[uuid.UUID, int | str]) -> None:
        for agent in agents:
            if not isinstance(agent, Agent):
                raise TypeError(
                    f"agents must be of the class Agent, not {type(agent).__name__};"
                    " `Client.agent` finds one by its name"
                )
            if agent._http.settings.url != self._http.settings.url:
                raise ValueError(f"the agent {agent.label} {agent.id} is of another deployment")
        for unknown in set(after) - {agent.id for agent in agents}:
            raise ValueError(f"after names {unknown!r}, which is the id of none of the agents")

    def workspace(self, ref: uuid.UUID | str) -> Workspace:
        """
        Return the workspace that *ref* names: ``[owner/]workspace``, or its UUID; one request.

        Raises *WorkspaceNotFoundError*; *ValueError* or *TypeError* as `agent` does.
        """
        from coder_agents.resolve import parse_reference, resolve_workspace

        reference = parse_reference(ref)
        if reference.agent:
            raise ValueError(f"{ref!r} names an agent; leave out .{reference.agent}")
        return resolve_workspace(self._http, reference)

    def workspaces(self, query: str | None = None) -> Iterator[Workspace]:
        """
        Return a generator of the workspaces that *query* finds; None finds your own.

        *query* is a search as in the dashboard, such as ``owner:me status:running``; an empty one
        finds all that you may see. One request for each hundred workspaces, when they are
        needed. None comes twice; one that is created, started or stopped meanwhile may be missed.

        Raises *BadRequestError*, once iterated over, for a query that the deployment does not
        understand.
        """
        from coder_agents.resolve import search_workspaces

        return search_workspaces(self._http, query)

    def _agent(self, data: WorkspaceAgent, workspace: Workspace | None) -> Agent:
        return Agent(
            data.id,
            self._http,
            self._stream_options,
            self._capabilities,
            data=data,
            workspace=workspace,
        )

    @property
    def capabilities(self) -> Capabilities:
        """
        What was learnt of the deployment so far, by calls of this client and its agents.

        As of now: what is learnt later is not in it.
        """
        return attrs.evolve(self._capabilities)

    def build_info(self) -> BuildInfoResponse:
        """
        Return what the deployment says of itself.
        """
        return schema.from_json(self._http.call("GET", "/buildinfo"), schema.BuildInfoResponse)

    def me(self) -> User:
        """
        Return the token's user.
        """
        return schema.from_json(self._http.call("GET", "/users/me"), schema.User)
