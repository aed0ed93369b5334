"""
The stream of an agent's log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.ends import EndPolicy, OneBuild
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.filters import LogFilter
from coder_agents.streams.identified import IdentifiedStream
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.log_feed import LogFeed
from coder_agents.streams.log_source import AgentLogSource
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.stores import BookmarkStore
from coder_agents.streams.stream import opened


class LogStream(IdentifiedStream[WorkspaceAgentLog]):
    """
    The lines of an agent's log: first the lines that it has, then new lines as they come.

    No line comes twice. No line is lost that is committed within `StreamOptions.settle` of taking
    its id, through any number of broken connections. A line that is committed late comes late, out
    of the order of its id. The stream ends when the server reports that no more lines will come.

    A line that a filter skips is done: it is neither yielded nor requested again, and the bookmark
    counts it.
    """

    __slots__ = ()

    @property
    def _agent(self) -> Any:
        engine = cast("FeedEngine[WorkspaceAgentLog]", self._core.engine)
        return cast("LogFeed", engine.feed).log.agent


def log_feed(
    log: AgentLogSource,
    *,
    begin: Bookmark,
    options: StreamOptions,
    log_filter: LogFilter | None = None,
    policy: EndPolicy | None = None,
    on_follow: Callable[[Any], object] | None = None,
) -> LogFeed:
    """
    Return the feed of *log*.

    Args:
        log: the log.
        begin: the bookmark to begin after.
        log_filter: which lines are wanted; None for all.
        policy: decides what the end of a connection means; None for a stream that ends with the
            build.
        on_follow: called with the agent of the next log before its first line.
    """
    if policy is None:
        policy = OneBuild(
            log.agent_id,
            knows_workspace=log.sources.workspace_id is not None,
            reconnects=options.reconnect is not None,
            pauses=options._pauses,
        )
    return LogFeed(
        log,
        ledger=_ledger(begin, options),
        log_filter=log_filter,
        policy=policy,
        options=options,
        on_follow=on_follow,
    )


def follow_log(
    feed: LogFeed, options: StreamOptions, store: BookmarkStore | None = None
) -> LogStream:
    """
    Return the stream of *feed*, connected, which saves its bookmarks to *store*.
    """
    return opened(LogStream, FeedEngine(feed, pauses=options._pauses), store)


def _ledger(begin: Bookmark, options: StreamOptions) -> Ledger:
    ledger = Ledger(begin.floor, settle=options.settle, remember=options.remember)
    ledger.restore(begin.ids(), time.monotonic())
    return ledger
