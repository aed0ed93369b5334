"""
The client of a deployment: settings in, agents out.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, overload

import attrs

from coder_agents import schema
from coder_agents.agent import Agent
from coder_agents.client.batches import BatchMethods, by_agent_id
from coder_agents.client.displays import ClientDisplays
from coder_agents.client.groups import GroupMethods
from coder_agents.client.searches import AgentSequence, WorkspaceSequence
from coder_agents.client.workspaces import WorkspaceMethods
from coder_agents.config import function_or_none
from coder_agents.progress import waiting
from coder_agents.streams.options import choose_options

if TYPE_CHECKING:
    from coder_agents.batch import Results
    from coder_agents.batch.results import Progress
    from coder_agents.capabilities import Capabilities
    from coder_agents.errors import CoderError
    from coder_agents.schema import (
        BuildInfoResponse,
        LogLevel,
        LogLevelName,
        ProvisionerJobLog,
        User,
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentLog,
    )
    from coder_agents.streams import BookmarkStore, MergedLogStream, StreamOptions


class Client(BatchMethods, WorkspaceMethods, GroupMethods, ClientDisplays):
    """
    A client of a Coder deployment, with the rights of one token.

    Constructing a client does no input or output. A client is a context manager: at its end it
    closes the connections that it keeps for REST calls. Streams stay open.

    Args:
        url: the deployment's URL; a path prefix is kept.
        token: a session token, as ``coder tokens create`` prints it.
        timeout: seconds, or a pair: seconds to connect, and seconds without an answer. Each is
            above 0 and at most 24 days; None is no limit.
        retries: how often a GET is sent again after a dropped connection, 502, 503, 504, or 429
            with ``Retry-After``; 3 by default. All pauses together are no longer than the read
            time-out.
        verify: False, or a file or folder of certificate authorities, as in requests; True by
            default.
        cert: a client certificate: a file, or a pair of certificate and key.
        headers: sent with every request.
        proxies: as in requests, but they replace the environment's proxy variables: {} means no
            proxy. By default, these variables apply.
        user_agent: the ``User-Agent`` header.
        stream_options: the options of this client's streams.
        session: a session of existing code. REST calls use the session as it is, with its cookies,
            netrc and retries. Streams use its TLS settings, proxies and headers. The session is
            neither changed nor closed: cookies that the deployment sets are not put into its jar.
            *retries*, *verify*, *cert* and *proxies* are refused beside a session, which has its
            own; *headers* and *user_agent* are sent with each request.

    Raises *ConfigError*, *ValueError* or *TypeError* for settings that cannot work.
    """

    def agent(self, ref: uuid.UUID | str) -> Agent:
        """
        Return the agent that *ref* names.

        *ref* is ``[owner/]workspace[.agent]``, or the UUID of an agent or of a workspace. Without
        an agent's name, *ref* means the workspace's only agent, or its only agent that is not a
        sub-agent. Names in the forms of Coder's other programs are accepted, too: ``@alice/dev``,
        ``alice--dev``, and the host names of Coder Connect, ``dev.coder`` and
        ``main.dev.alice.coder``.

        The method sends one request. It sends two for the UUID of a workspace: a UUID is tried as
        an agent's first.

        Raises *FindingError*, with a subclass for each reason, where the name leads to no agent;
        *NotFoundError* for a UUID that is neither an agent's nor a workspace's; *ValueError* or
        *TypeError*, before any request, where *ref* is neither a name nor a UUID.
        """
        from coder_agents.references import parse_reference
        from coder_agents.resolve import resolve_agent

        return self._agent(*resolve_agent(self._http, parse_reference(ref)))

    @overload
    def wait_ready(
        self,
        ref: uuid.UUID | str,
        timeout: float | None = 600,
        *,
        on_log: Callable[[WorkspaceAgentLog], object] | None = None,
        on_state: Callable[[Agent], object] | None = None,
        blocking_only: bool = True,
        strict: bool = False,
        start: bool = False,
        on_build_log: Callable[[ProvisionerJobLog], object] | None = None,
    ) -> Agent: ...
    @overload
    def wait_ready(
        self,
        ref: Iterable[Agent],
        timeout: float | None = 600,
        *,
        blocking_only: bool = True,
        strict: bool = False,
        max_workers: int = 16,
        progress: Progress = None,
        rate: float | None = None,
    ) -> Results[Agent]: ...
    def wait_ready(
        self,
        ref: uuid.UUID | str | Iterable[Agent],
        timeout: float | None = 600,
        *,
        on_log: Callable[[WorkspaceAgentLog], object] | None = None,
        on_state: Callable[[Agent], object] | None = None,
        blocking_only: bool = True,
        strict: bool = False,
        start: bool = False,
        on_build_log: Callable[[ProvisionerJobLog], object] | None = None,
        max_workers: int = 16,
        progress: Progress = None,
        rate: float | None = None,
    ) -> Agent | Results[Agent]:
        """
        Wait until the agent that *ref* names can be used, and return it.

        While the workspace is starting, the method waits for its build, and then for the agent.
        `Agent.wait_ready` describes the arguments; *timeout* covers both. While the workspace is
        stopping, and for 10 seconds after that, the method expects the next start, as a restart
        brings it. That holds also for a restart that begins while the method waits for the agent.

        With *start*, a workspace that is stopped, or whose last build failed, is started as
        `start_workspace` does it; the id of an agent starts nothing, as it names no workspace.
        *on_build_log* is called with each line of the builds that are waited for.

        For several agents in place of *ref*, the method waits until all can be used, and returns them as
        `Results`; *timeout* is for all together. It takes *blocking_only* and *strict*, and
        *max_workers*, *progress* and *rate* as `metadata` does. Each agent is read once in a while: not more
        often than a deployment allows, whatever the number of agents.

        Raises what `agent` raises, except *WorkspacePendingError* for a build that starts or stops
        the workspace; and what `Agent.wait_ready` raises. With *start*, *WorkspaceFailedError* is
        raised for the build of that start, with the last lines of its log.
        """
        from coder_agents.readiness.builds import wait_named
        from coder_agents.readiness.options import Deadline, WaitOptions
        from coder_agents.workspaces.before_agents import BeforeAgents
        from coder_agents.workspaces.options import BuildOptions
        from coder_agents.workspaces.watched import WatchedWait

        options = WaitOptions(
            timeout=timeout,
            on_log=on_log,
            on_state=on_state,
            blocking_only=blocking_only,
            strict=strict,
            pauses=self._stream_options._pauses,
        )
        if isinstance(ref, Iterable) and not isinstance(ref, str):
            _refuse_for_several(
                on_log=on_log, on_state=on_state, start=start or None, on_build_log=on_build_log
            )
            return self._wait_all_ready(
                ref, options, max_workers=max_workers, progress=progress, rate=rate
            )
        deadline = Deadline(timeout)
        watched = WatchedWait(f"{ref}: no agent yet")
        of_builds = BuildOptions(
            wait=True,
            timeout=timeout,
            on_build_log=on_build_log,
            on_build=watched.show_build,
            deadline=deadline,
        )
        before = BeforeAgents(self._workspaces, of_builds, start=start)

        def find() -> Agent:
            agent = self.agent(ref)
            watched.show(agent._describe)
            return agent

        with waiting(watched.describe, on_log, on_state, on_build_log):
            return wait_named(find, options, deadline, before.advance)

    def agents(self, query: str | None = None) -> AgentSequence:
        """
        Return all agents of the workspaces that *query* finds, as a sequence.

        `workspaces` describes *query*, and when requests are sent. The deployment does not report the
        number of agents, so ``len`` reads all pages.
        """
        return AgentSequence(self.workspaces(query), self._agent)

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
        bookmarks: BookmarkStore | None = None,
        options: StreamOptions | None = None,
    ) -> MergedLogStream[Agent]:
        """
        Return a stream of the log lines of *agents*, each an `AgentLog`.

        The stream yields the lines that are already stored, in the order of their ids, and then
        new lines as they come.

        *after* maps an agent's id to the position after which the agent's lines begin: the id of a
        line, or a bookmark such as those of `MergedLogStream.bookmarks`.

        The filters are those of `Agent.follow_logs`. They apply to each log separately: ``tail=10``
        begins with ten lines of each agent. A name in *source* has to be a source of at least one
        of the agents; an agent without that source yields nothing.

        Where the log of one agent fails, now or later, *on_failure* is called with the agent and
        the error, and the other agents continue; without *on_failure* a warning is logged. Where all fail now, the error of the first agent
        is raised, with the other errors as its notes.

        *bookmarks* is a store, such as `FileBookmarks`. Each log continues after the agent's bookmark
        in the store; *after* and *tail* are for agents without one. The stream saves the bookmarks
        every few seconds and at its end, as `BookmarkStore` describes.

        Raises *ValueError* or *TypeError*, before any request, for an agent that is listed twice
        or belongs to another deployment, and for an impossible filter or *after*; and what the store
        raises.
        """
        from coder_agents.agent.logs import log_filters, without_tail
        from coder_agents.batch import several
        from coder_agents.streams.bookmark import Bookmark
        from coder_agents.streams.merged import follow_merged
        from coder_agents.streams.stores import stored_bookmarks

        self._http.check_open()
        chosen = choose_options(options, self._stream_options)
        function_or_none("on_failure", on_failure)
        followed, begin = several(agents), by_agent_id(after)
        self._check_followed(followed, begin)
        begins = {each.id: Bookmark.begin(begin.get(each.id, 0), each.id) for each in followed}
        stored = stored_bookmarks(bookmarks, begins)
        filters = log_filters(
            followed, tail=tail, since=since, before=before, source=source, level=level, grep=grep
        )
        filter_of = dict(zip(begins, filters, strict=True))
        filter_of |= {each: without_tail(filter_of[each]) for each in stored}
        begins |= stored
        pace = self._http.pace_of_several
        return follow_merged(
            followed,
            lambda agent, chosen: agent._log_feed(
                begins[agent.id], filter_of[agent.id], chosen, pace=pace
            ),
            on_failure=on_failure,
            options=chosen,
            store=bookmarks,
        )

    def workspaces(self, query: str | None = None) -> WorkspaceSequence:
        """
        Return the workspaces that *query* finds, as a sequence; None finds your own.

        *query* is a search as in the dashboard, such as ``owner:me status:running``; an empty query
        finds all workspaces that you may see. The call reads the first hundred workspaces. The
        sequence requests the others, a hundred at a time, when they are needed. Iterating yields no
        workspace twice. A workspace that is created, started or stopped meanwhile may be missed.

        Raises *BadRequestError* for a query that the deployment does not understand, and *TypeError*,
        before any request, for a *query* that is not text.
        """
        return WorkspaceSequence(self._http, query)

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
        The routes that the deployment has, as calls of this client and its agents have shown.

        The object is a copy: later calls do not change it.
        """
        return attrs.evolve(self._capabilities)

    def build_info(self) -> BuildInfoResponse:
        """
        Return the deployment's version and settings, which it shows to everybody.
        """
        return self._http.read(schema.BuildInfoResponse, "GET", "/buildinfo")

    def me(self) -> User:
        """
        Return the token's user.
        """
        return self._http.read(schema.User, "GET", "/users/me")


def _refuse_for_several(**arguments: object) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise TypeError(f"{' and '.join(given)} cannot be given for several agents")
