"""
The log of an agent, and its start-up.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from coder_agents import schema
from coder_agents.agent.base import BaseAgent
from coder_agents.config import function_or_none
from coder_agents.errors import CoderError
from coder_agents.errors.advice import Advice
from coder_agents.progress import waiting
from coder_agents.representation import ResultList
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.sources import after as after_params
from coder_agents.transport import decoded, quoted

if TYPE_CHECKING:
    from coder_agents.agent import Agent
    from coder_agents.readiness.report import StartupReport
    from coder_agents.schema import (
        LogLevel,
        LogLevelName,
        WorkspaceAgentLog,
        WorkspaceBuildTimings,
    )
    from coder_agents.streams import BookmarkStore, LogStream, StreamOptions
    from coder_agents.streams.builds import AcrossBuilds
    from coder_agents.streams.filters import LogFilter
    from coder_agents.streams.lines import NewAmong
    from coder_agents.streams.log_feed import LogFeed
    from coder_agents.streams.log_source import AgentLogSource
    from coder_agents.transport import Pace


class LogMethods(BaseAgent):
    """
    The methods of an agent for its log and its start-up.
    """

    def logs(
        self,
        after: int | str = 0,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        before: int | None = None,
        source: uuid.UUID | str | Iterable[uuid.UUID | str] | None = None,
        level: LogLevel | LogLevelName | None = None,
        grep: str | re.Pattern[str] | None = None,
    ) -> ResultList[WorkspaceAgentLog]:
        """
        Return the lines of the log after *after*, in the order of their ids.

        *after* is the id of a line, or the `LogStream.bookmark` of a stream of this agent. For a
        bookmark, the method returns the lines that the stream has not yielded. These include lines
        that the deployment stored late, out of the order of their ids.

        The other arguments are filters. A line is returned where it passes all of them. *tail*
        keeps the newest lines of these. The deployment sends all lines after *after*; the filters
        work here.

        *since* is the earliest time at which the deployment stored a line, or how long ago that
        was, by the clock of this machine. *before* keeps the lines with smaller ids. *source* is
        the id or the display name of a source in `data`, or several of them. *level* is the lowest
        level; an unknown level passes. *grep* is a text that the line's output contains, with the
        same case, or a pattern that is found in it. Both are also searched for in the output
        without its colours.

        Raises *ValueError* or *TypeError* for an impossible filter or *after*, before the log is
        requested. Where `data` does not have the name of a *source*, the agent is read again before
        the name is refused.
        """
        begin = Bookmark.begin(after, self.id)
        [log_filter] = log_filters(
            [self], tail=tail, since=since, before=before, source=source, level=level, grep=grep
        )
        return self._stored_logs(begin, log_filter)

    def _stored_logs(
        self, begin: Bookmark, log_filter: LogFilter | None
    ) -> ResultList[WorkspaceAgentLog]:
        path = self._path("logs")
        body = self._http.call("GET", path, params=after_params(begin.floor))
        logs = decoded(
            body, lambda text: _decoded(text, begin, log_filter), "GET", self._http.url(path)
        )
        self._source_names.learn(self._data.log_sources)
        self._source_names.give(logs)
        return ResultList(logs, of=schema.WorkspaceAgentLog)

    def follow_logs(
        self,
        after: int | str = 0,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        before: int | None = None,
        source: uuid.UUID | str | Iterable[uuid.UUID | str] | None = None,
        level: LogLevel | LogLevelName | None = None,
        grep: str | re.Pattern[str] | None = None,
        across_builds: bool = False,
        on_build: Callable[[Agent], object] | None = None,
        bookmarks: BookmarkStore | None = None,
        options: StreamOptions | None = None,
    ) -> LogStream:
        """
        Return a stream of the lines after *after*: stored lines first, then new lines as they come.

        *after* is the id of a line, or the `LogStream.bookmark` of an earlier stream of this agent.
        The filters are those of `logs`. *tail* applies to the stored lines; a new line is yielded
        where it passes the other filters. *since* is counted from now.

        With *across_builds*, the stream continues with the workspace's next build, with the log of
        the agent of the same name. *on_build* is called with that agent before the agent's first
        line. The stream ends when the workspace is stopped for good or deleted. *across_builds*
        needs `workspace`.

        *bookmarks* is a store, such as `FileBookmarks`. The stream continues after the agent's
        bookmark in the store, whatever *after* and *tail* are; these are for an agent without one.
        The stream saves its bookmark every few seconds and at its end, as `BookmarkStore` describes.

        Raises *ValueError* or *TypeError* for an impossible argument, before the log is requested,
        and what the store raises. The name of a source is checked as `logs` does.
        """
        from coder_agents.streams.stores import stored_bookmarks

        begin = Bookmark.begin(after, self.id)
        stored = stored_bookmarks(bookmarks, [self.id])
        chosen = self._chosen(options)
        policy = None
        if across_builds or on_build is not None:
            _require_builds(self, across_builds, on_build)
            policy = _across_builds(self, chosen)
        [log_filter] = log_filters(
            [self], tail=tail, since=since, before=before, source=source, level=level, grep=grep
        )
        from coder_agents.streams.logs import follow_log

        if self.id in stored:
            begin, log_filter = stored[self.id], without_tail(log_filter)
        feed = self._log_feed(begin, log_filter, chosen, policy=policy, on_follow=on_build)
        return follow_log(feed, chosen, bookmarks)

    def _log_feed(
        self,
        begin: Bookmark,
        log_filter: LogFilter | None,
        chosen: StreamOptions,
        *,
        pace: Pace | None = None,
        **options: Any,
    ) -> LogFeed:
        """
        Return the feed of the log, unopened; *pace* is that of its requests.
        """
        from coder_agents.streams.logs import log_feed

        log = self._log_source(chosen, pace)
        return log_feed(log, begin=begin, log_filter=log_filter, options=chosen, **options)

    def _log_source(self, chosen: StreamOptions, pace: Pace | None = None) -> AgentLogSource:
        from coder_agents.streams.log_source import AgentLogSource

        self._source_names.learn(self._data.log_sources)
        return AgentLogSource(
            agent_id=self.id,
            sources=self._sources(chosen, pace),
            overflowed=lambda: self._data.logs_overflowed,
            agent=self,
            log_sources=self._data.log_sources,
            source_names=self._source_names,
        )

    def wait_ready(
        self,
        timeout: float | None = 600,
        *,
        on_log: Callable[[WorkspaceAgentLog], object] | None = None,
        on_state: Callable[[Agent], object] | None = None,
        blocking_only: bool = True,
        strict: bool = False,
    ) -> Self:
        """
        Wait until the agent can be used, and return this agent with its latest `data`.

        The rules are those of Coder's own command. An agent can be used when it is connected and
        its startup scripts have ended. Where a script failed or took too long, the agent can be
        used as well, and a warning is logged.

        Args:
            timeout: seconds; None is no limit. At the end, the method still waits for a request
                that is under way, and up to 2 seconds for the last lines of the log.
            on_log: called with each line of the log, in the order of arrival, stored lines
                included. Without it, the log is not followed.
            on_state: called with the agent after it is first read, and after each change of its
                status or its lifecycle state.
            blocking_only: do not wait for startup scripts where none of them blocks login.
            strict: raise *StartupError* where otherwise that warning is logged.

        Raises *ReadyTimeoutError*, *AgentShutDownError*, and with *strict* *StartupError*. Dropped
        connections and the statuses 429 and 5xx do not end the wait. Exceptions of *on_log* and
        *on_state* pass through.

        Without *on_log* and *on_state*, a bar shows the state to a person who is watching.
        """
        from coder_agents.readiness.options import Deadline, WaitOptions
        from coder_agents.readiness.waiting import wait_ready

        options = WaitOptions(
            timeout=timeout,
            on_log=on_log,
            on_state=on_state,
            blocking_only=blocking_only,
            strict=strict,
            pauses=self._stream_options._pauses,
        )
        with waiting(self._describe, on_log, on_state):
            wait_ready(self, options, Deadline(timeout))
        return self

    def _describe(self) -> str:
        return f"{self.label or self.id}: {self.status}, {self.lifecycle_state}"

    def startup_report(self) -> StartupReport:
        """
        Read the agent, its log and the timings of its build, and return a report on its scripts.

        The report covers the scripts of the start and of the stop. It can be read at any time:
        while they run, after they succeeded, and after they failed. The report is exact where
        `workspace` is known; elsewhere it is a guess, with `StartupReport.is_guess` true.
        """
        from coder_agents.readiness.report import report_startup
        from coder_agents.readiness.reported import read_timings

        agent = self.refresh()
        return report_startup(agent, self.logs(), read_timings(self))

    def build_timings(self) -> WorkspaceBuildTimings:
        """
        Return the timings of the agent's build: of its steps, and of its agents and their scripts.

        The timings list the first connection of each agent, and each run of a script that has
        ended.

        Raises *ValueError* where `workspace` is not known, before any request; *UnsupportedCallError*
        where the deployment does not list timings.
        """
        if self._workspace is None:
            raise ValueError(
                "the timings belong to a build, which is not known for an agent that was found by"
                f" its own UUID: {Advice.BY_NAME}"
            )
        path = quoted("workspacebuilds", self._workspace.latest_build.id, "timings")
        return self._http.read(schema.WorkspaceBuildTimings, "GET", path)


def _decoded(body: bytes, begin: Bookmark, log_filter: LogFilter | None) -> list[WorkspaceAgentLog]:
    if log_filter is None and not begin.ranges:
        return schema.from_json(body, list[schema.WorkspaceAgentLog])
    from coder_agents.streams.lines import new_lines

    return new_lines([body], _new_after(begin), log_filter, ids_first=False).logs


def _new_after(begin: Bookmark) -> NewAmong:
    known = frozenset(begin.ids())
    return lambda ids: [number not in known for number in ids] if known else None


def log_filters(agents: Sequence[BaseAgent], **filters: Any) -> list[LogFilter | None]:
    """
    Return the filter for each agent's log, built from *filters*; None where it skips no line.

    The deployment lists a source once the source has printed something. So an agent that does not
    list a name is read again, once.

    Raises *ValueError* or *TypeError* for an impossible filter, before any request; *ValueError*
    for a name that is a source of none of the agents.
    """
    from coder_agents.streams.filters import LogFilter

    wanted = LogFilter(**filters)
    failures = []
    for agent in agents:
        if wanted.unknown(agent.data.log_sources):
            try:
                agent.refresh()
            except CoderError as error:
                failures.append(error)
    if agents:
        sources = [source for agent in agents for source in agent.data.log_sources]
        if failures and wanted.unknown(sources):
            raise failures[0]
        wanted.check_names(sources)
    now = datetime.now(UTC)
    return [wanted.bind(agent.data.log_sources, now) for agent in agents]


def without_tail(log_filter: LogFilter | None) -> LogFilter | None:
    """
    Return the filter of a log that continues after a stored bookmark.
    """
    return None if log_filter is None else log_filter.without_tail()


def _require_builds(agent: BaseAgent, across_builds: bool, on_build: object) -> None:
    if not across_builds:
        raise ValueError("on_build is called with the next build's agent: add across_builds=True")
    function_or_none("on_build", on_build)
    if agent.workspace is None:
        raise ValueError(
            f"{Advice.ACROSS_BUILDS} the agent's workspace, which is not known for an agent that was"
            f" found by its own UUID: {Advice.BY_NAME}"
        )


def _across_builds(agent: LogMethods, options: StreamOptions) -> AcrossBuilds:
    from coder_agents.streams.builds import AcrossBuilds

    return AcrossBuilds(
        agent.data,
        next_log=lambda newer, data: agent._successor(newer, data)._log_source(options),
        reconnects=options.reconnect is not None,
        pauses=options._pauses,
    )
