"""
Settings in, agents out.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from coder_agents import schema
from coder_agents.agent import Agent
from coder_agents.base_client import BaseClient
from coder_agents.config import function_or_none
from coder_agents.streams.options import choose_options

if TYPE_CHECKING:
    from coder_agents.batch import MetadataOfAgents
    from coder_agents.capabilities import Capabilities
    from coder_agents.errors import CoderError
    from coder_agents.schema import (
        BuildInfoResponse,
        LogLevel,
        LogLevelName,
        User,
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentLog,
    )
    from coder_agents.streams import MergedLogStream, StreamOptions


class Client(BaseClient):
    """
    A Coder deployment, as one token's user sees it.

    Making one does no input or output. It is a context manager; leaving it closes
    the connections that are kept for the next REST call, not the streams.

    Args:
        url: the deployment's URL; a path prefix is kept.
        token: a session token, as ``coder tokens create`` prints it.
        timeout: seconds, or a pair: seconds to connect and seconds without an answer; above 0, as
            no request takes no time, and at most 24 days. None is no limit.
        retries: how often a GET is tried again after a lost connection, 502, 503, 504,
            or 429 with ``Retry-After``; 3 unless given. All waiting together is no longer than
            the read time-out.
        verify: False, or a file or folder of certificate authorities, as in requests; True unless
            given.
        cert: a client certificate: a file, or a pair of certificate and key.
        headers: sent with every request.
        proxies: as in requests, but in place of the environment's proxy variables: {} is none at all.
        user_agent: the ``User-Agent`` header.
        stream_options: how this client's streams behave.
        session: an old code base's own session. REST calls go through it as it is,
            with its cookies, netrc and retries; streams take TLS settings, proxies and
            headers from it. It is neither changed nor closed: cookies that the deployment sets
            are not put into its jar. *retries*, *verify*, *cert* and *proxies* are its own;
            *headers* and *user_agent* are sent with each request all the same.

    Raises *ConfigError*, *ValueError* or *TypeError* for settings that cannot work.
    """

    def agent(self, ref: uuid.UUID | str) -> Agent:
        """
        Return the agent that *ref* names.

        *ref* is ``[owner/]workspace[.agent]``, or the UUID of an agent or of a workspace. Without
        an agent's name it is the workspace's only agent, or the only one that is not a sub-agent.
        Names as other programs show them will do: ``@alice/dev``, ``alice--dev``, and the host names
        of Coder Connect, ``dev.coder`` and ``main.dev.alice.coder``.
        One request; two for the UUID of a workspace, which looks like an agent's: agents are
        tried first.

        Raises *FindingError* where the name leads to no agent: its subclasses say why;
        *NotFoundError* for a UUID that is neither an agent's nor a workspace's; *ValueError* or
        *TypeError*, before any request, where *ref* can be neither.
        """
        from coder_agents.references import parse_reference
        from coder_agents.resolve import resolve_agent

        return self._agent(*resolve_agent(self._http, parse_reference(ref)))

    def wait_ready(
        self,
        ref: uuid.UUID | str,
        timeout: float | None = 600,
        *,
        on_log: Callable[[WorkspaceAgentLog], object] | None = None,
        on_state: Callable[[Agent], object] | None = None,
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
            pauses=self._stream_options._pauses,
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
        timeout: float | None = 10.0,
        workers: int = 16,
    ) -> MetadataOfAgents:
        """
        Return the metadata of many agents as it is now; None takes all of your own, as `agents` does.

        As `Agent.metadata` for each, of *workers* agents at the same time at most, each of which has
        *timeout* seconds, None for no limit. What goes wrong with one is among the `MetadataOfAgents.failures` and
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
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        before: int | None = None,
        source: uuid.UUID | str | Iterable[uuid.UUID | str] | None = None,
        level: LogLevel | LogLevelName | None = None,
        grep: str | re.Pattern[str] | None = None,
        on_failure: Callable[[Agent, CoderError], object] | None = None,
        options: StreamOptions | None = None,
    ) -> MergedLogStream[Agent]:
        """
        Return a stream of the lines of the logs of *agents*: the lines that the logs have, in the order of
        their ids, then the new ones as they come. Each item is an `AgentLog`.

        *after* has, for an agent's id, what the agent's lines begin after: an id, or a
        bookmark such as `MergedLogStream.bookmarks` has.

        The filters are those of `Agent.follow_logs`, for each log by itself: ``tail=10`` begins with ten
        lines of each agent. A name in *source* has to be a source of one of the agents; an
        agent that has no such source yields nothing.

        Where the log of one agent fails, now or later, *on_failure* is called with the agent and the error,
        and the others continue. Where all fail now, the error of the first is raised; the others'
        are its notes.

        Raises *ValueError* or *TypeError*, before any request, for an agent that is there
        twice or is of another deployment, and for an impossible filter or *after*.
        """
        from coder_agents.agent.logs import log_filters
        from coder_agents.batch import several
        from coder_agents.streams.bookmark import Bookmark
        from coder_agents.streams.merged import follow_merged

        self._http.check_open()
        chosen = choose_options(options, self._stream_options)
        function_or_none("on_failure", on_failure)
        followed, begin = several(agents), _by_agent_id(after)
        self._check_followed(followed, begin)
        bookmarks = {each.id: Bookmark.begin(begin.get(each.id, 0), each.id) for each in followed}
        filters = log_filters(
            followed, tail=tail, since=since, before=before, source=source, level=level, grep=grep
        )
        filter_of = dict(zip(bookmarks, filters, strict=True))
        return follow_merged(
            followed,
            lambda agent, chosen: agent._log_feed(bookmarks[agent.id], filter_of[agent.id], chosen),
            on_failure=on_failure,
            options=chosen,
        )

    def _check_followed(self, agents: list[Agent], after: Mapping[uuid.UUID, int | str]) -> None:
        met: set[uuid.UUID] = set()
        for agent in agents:
            if agent._http.settings.url != self._http.settings.url:
                raise ValueError(f"the agent {agent.label} {agent.id} is of another deployment")
            if agent.id in met:
                raise ValueError(f"the agent {agent.label} {agent.id} is there twice")
            met.add(agent.id)
        for unknown in set(after) - met:
            raise ValueError(f"after names {unknown!r}, which is the id of none of the agents")

    def workspace(self, ref: uuid.UUID | str) -> Workspace:
        """
        Return the workspace that *ref* names: ``[owner/]workspace``, or its UUID; one request.

        Raises *WorkspaceNotFoundError*; *ValueError* or *TypeError* as `agent` does.
        """
        from coder_agents.references import parse_reference
        from coder_agents.resolve import resolve_workspace

        reference = parse_reference(ref)
        if reference.agent:
            raise ValueError(
                f"{ref!r} names an agent; leave out .{reference.agent}: the workspace is"
                f" {reference.owner}/{reference.workspace}"
            )
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
        return self._http.read(schema.BuildInfoResponse, "GET", "/buildinfo")

    def me(self) -> User:
        """
        Return the token's user.
        """
        return self._http.read(schema.User, "GET", "/users/me")


def _by_agent_id(after: Any) -> dict[uuid.UUID, int | str]:
    if after is None:
        return {}
    if not isinstance(after, Mapping):
        raise TypeError(
            "after must be a mapping from the ids of agents to ids of lines or bookmarks, as"
            f" MergedLogStream.bookmarks is, not {type(after).__name__}"
        )
    for key in after:
        if not isinstance(key, uuid.UUID):
            raise TypeError(f"the keys of after must be ids, agent.id, not {type(key).__name__}")
    return dict(after)
