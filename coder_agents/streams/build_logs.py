"""
The stream of a build's log.
"""

from __future__ import annotations

import time

from coder_agents.schema import ProvisionerJobLog
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.build_log_feed import BuildLogFeed
from coder_agents.streams.build_sources import BuildSources
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.identified import IdentifiedStream
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.stream import opened


class BuildLogStream(IdentifiedStream[ProvisionerJobLog]):
    """
    The lines of a build's log: first the lines that it has, then new lines as they come.

    The stream ends when the build has ended, with or without an error; `end` is then
    ``StreamEnd.BUILD_ENDED``. Through any number of broken connections, no line is lost and no line
    comes twice. Where the network blocks WebSockets, the log is read repeatedly instead.
    """

    __slots__ = ()


def follow_build_log(sources: BuildSources, begin: Bookmark) -> BuildLogStream:
    """
    Return the stream of the log of a build after *begin*, connected.
    """
    # The provisioner that does the build is the only writer, so no line comes late.
    ledger = Ledger(begin.floor, settle=0, remember=sources.options.remember)
    ledger.restore(begin.ids(), time.monotonic())
    feed = BuildLogFeed(sources, ledger)
    return opened(BuildLogStream, FeedEngine(feed, pauses=sources.options._pauses))
