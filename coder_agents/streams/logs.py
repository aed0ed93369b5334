"""
The log of an agent, followed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from coder_agents.config import whole_number
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.ends import EndPolicy, OneBuild
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.filters import LogFilter
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.log_feed import LogFeed
from coder_agents.streams.log_source import AgentLogSource
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.stream import Stream, opened


class LogStream(Stream[WorkspaceAgentLog]):
    """
    The lines of an agent's log, the ones it has first, then the new ones as they come.

    None comes twice, and none is lost that is committed within `StreamOptions.settle` of
    taking its id, through any number of broken connections. A line that is
    committed late comes late, out of the order of its id. It ends when the server says
    that no more will come.

    What a filter skips is done as soon as it is passed by: it is neither yielded nor requested
    again, and the bookmark counts it.
    """

    __slots__ = ()

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded; None before the first.
        """
        return self._core.position.last_id

    @property
    def bookmark(self) -> str:
        """
        What another process passes as ``after=`` to continue with nothing lost or repeated.
        """
        bookmark: str = self._core.position.bookmark
        return bookmark


def _all() -> None:
    """
    Want every line.
    """


def log_feed(
    log: AgentLogSource,
    *,
    after: int | str,
    options: StreamOptions,
    bind: Callable[[], LogFilter | None] = _all,
    policy: EndPolicy | None = None,
    on_follow: Callable[[Any], object] | None = None,
) -> LogFeed:
    """
    Return the feed of *log*.

    Args:
        log: whose log it is.
        after: the id or the bookmark to begin after.
        bind: returns what is wanted, None for all; called when *after* has proved good.
        policy: what the end of a connection means; None for the end of the build.
        on_follow: called with the agent of the next log before its first line.
    """
    ledger = _ledger(log.agent_id, after, options)
    if policy is None:
        policy = OneBuild(
            log.agent_id,
            knows_workspace=log.sources.workspace_id is not None,
            reconnects=options.reconnect is not None,
            pauses=options._pauses,
        )
    return LogFeed(
        log,
        ledger=ledger,
        log_filter=bind(),
        policy=policy,
        options=options,
        on_follow=on_follow,
    )


def follow_log(feed: LogFeed, options: StreamOptions) -> LogStream:
    """
    Return the stream of *feed*, connected.
    """
    return opened(LogStream, FeedEngine(feed, pauses=options._pauses))


def _ledger(agent_id: uuid.UUID, after: int | str, options: StreamOptions) -> Ledger:
    bookmark = (
        Bookmark.read(after, agent_id)
        if isinstance(after, str)
        else Bookmark(agent_id, whole_number("after", after, least=0), ())
    )
    ledger = Ledger(bookmark.floor, settle=options.settle, remember=options.remember)
    ledger.restore(bookmark.ids(), time.monotonic())
    return ledger
