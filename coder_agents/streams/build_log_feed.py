"""
The feed of a build's log.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from coder_agents.errors import CoderError, DecodeError, ProxyError, TLSError, TransportError
from coder_agents.schema import ProvisionerJobLog, from_json
from coder_agents.streams.build_sources import BuildSources
from coder_agents.streams.ends import NORMAL
from coder_agents.streams.engine import Counts, EndedError
from coder_agents.streams.fetch import Fetch
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.position import LogPosition
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.reconnecting import Broken, ReconnectingConnection
from coder_agents.transport import (
    ClosedError,
    DroppedError,
    Interest,
    Source,
    blocks_websockets,
)

_GROWTH = 1.5  # factor of the pause between two reads of the log while no line comes


class BuildLogFeed:
    """
    The lines of a build's log: one connection that follows the log until the build has ended.

    Each message is one line. Only the provisioner that does the build writes, so the lines come in
    the order of their ids. A server closes with code 1000 when the job has ended, and at its own
    shutdown. So the build is read after such a close: if its job has ended, the log is read once
    more, for lines that the closing server did not send, and the stream ends; else the feed
    connects again.

    Where the network blocks WebSockets, the log is read repeatedly instead, and so is the build,
    until it has ended.

    Args:
        sources: makes the connections.
        ledger: the id to begin after.
    """

    def __init__(self, sources: BuildSources, ledger: Ledger) -> None:
        self._sources = sources
        self._ledger = ledger
        options = sources.options
        self._pauses = options._pauses
        self._count = 0  # of the lines before the position
        self._position = self._next(())
        self._connection: ReconnectingConnection[bytes] = ReconnectingConnection(
            lambda: sources.follow_log(ledger.floor),
            what=sources.what,
            options=options,
            connect_timeout=sources.connect_timeout,
        )
        # The document that is read before anything else, and whether it is the build.
        self._fetch: Fetch | None = None
        self._fetches_build = False
        self._document: bytes | None = None  # the first one, which came while the feed was opened
        self._polls = False
        self._pause = self._pauses.build_read
        self._broken: Broken | None = None
        self._build_ended = False
        self._is_over = False
        self._woken = False
        self._fetched = 0  # bytes

    @property
    def what(self) -> str:
        """
        The name of the log, for messages.
        """
        return self._sources.what

    def position(self) -> LogPosition:
        """
        Return the position before the first line.
        """
        return self._position

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is open.
        """
        if self._fetch is not None:
            self._document = self._fetch.receive()
            return self._document is not None
        try:
            return self._connection.connected()
        except CoderError as error:
            if not self._is_blocked(error):
                raise
        self._polls = True
        self._fetch_log()
        return False

    def _is_blocked(self, error: CoderError) -> bool:
        """
        Whether *error* of the first handshake may come from a network that blocks WebSockets.
        """
        if isinstance(error, TransportError) and not isinstance(error, (ProxyError, TLSError)):
            return self._connection.sent  # the handshake was sent, and never answered
        return blocks_websockets(error)

    def step(self) -> LogPosition | None:
        """
        Return the next position; see `Feed.step`.
        """
        if self._woken:
            raise ClosedError
        self._account()
        if self._is_over:
            raise EndedError(StreamEnd.BUILD_ENDED)
        if self._fetch is not None:
            return self._run(self._fetch)
        connection = self._connection
        try:
            message = connection.receive()
        except (DroppedError, CoderError) as broken:
            self._disconnected(without_frames(broken))
            return None
        if message is None:
            return None
        messages = [message, *connection.arrived()] if connection.has_more else [message]
        return self._take(self._lines(messages))

    def _lines(self, messages: Sequence[bytes]) -> list[ProvisionerJobLog]:
        """
        Return the lines in *messages*; only the first one where one of them cannot be read.
        """
        try:
            return _lines_of(messages)
        except DecodeError:
            self._connection.put_back(messages[1:])
        return _lines_of(messages[:1])

    def _take(self, lines: Sequence[ProvisionerJobLog]) -> LogPosition | None:
        """
        Return the position with those of *lines* that are new; None where none is.
        """
        marks = self._ledger.new_among([line.id for line in lines])
        new = lines if marks is None else list(itertools.compress(lines, marks))
        if not new:
            return None
        self._connection.progress()
        self._pause = self._pauses.build_read
        self._position = self._next(new)
        return self._position

    def _next(self, lines: Sequence[ProvisionerJobLog]) -> LogPosition:
        ids = [line.id for line in lines]
        build_id = self._sources.build_id
        return self._ledger.position(build_id, lines, ids, ids, count_before=self._count)

    def _account(self) -> None:
        """
        Note that all lines of the position were handed out.
        """
        position = self._position
        if position.size:
            self._ledger.yielded(position.ids)
            self._count += position.size
            self._position = self._next(())

    def _disconnected(self, broken: Broken) -> None:
        if isinstance(broken, DroppedError) and broken.code == NORMAL:
            self._broken = broken
            self._fetch_build()
        elif isinstance(broken, CoderError) and blocks_websockets(broken):
            self._polls = True
            self._fetch_log()
        else:
            self._connection.disconnected(broken)

    def _run(self, fetch: Fetch) -> LogPosition | None:
        document, self._document = self._document, None
        try:
            document = document or fetch.receive()
            if document is None:
                return None
            self._end_fetch(fetch)
            return self._read(document)
        except CoderError as error:
            failure = without_frames(error)
        self._end_fetch(fetch)
        self._fetch_again(self._connection.pause(failure))
        return None

    def _read(self, document: bytes) -> LogPosition | None:
        """
        Read *document*, and decide what is read next.
        """
        if self._fetches_build:
            self._build_ended = self._sources.build_of(document).job.ended
            self._after_build()
            return None
        position = self._take(from_json(document, list[ProvisionerJobLog]))
        if self._build_ended:
            self._is_over = True
        elif position is None:
            self._fetch_build()
        else:
            self._fetch_log(self._pause)
        return position

    def _after_build(self) -> None:
        if self._build_ended:
            self._fetch_log()
        elif self._polls:
            self._connection.progress()
            self._fetch_log(self._pause)
            self._pause = min(self._pause * _GROWTH, self._pauses.max_build_read)
        else:  # the server shuts down
            assert self._broken is not None
            self._connection.disconnected(self._broken)

    def _fetch_log(self, delay: float = 0.0) -> None:
        self._fetches_build = False
        self._fetch_again(delay)

    def _fetch_build(self) -> None:
        self._fetches_build = True
        self._fetch_again(0.0)

    def _fetch_again(self, delay: float) -> None:
        sources, ledger = self._sources, self._ledger
        read_log: Callable[[], Source[bytes]] = lambda: sources.read_log(ledger.floor)  # noqa: E731
        self._connection.drop()
        self._fetch = Fetch(
            sources.read_build if self._fetches_build else read_log,
            connect_timeout=sources.connect_timeout,
            at=time.monotonic() + delay,
        )

    def _end_fetch(self, fetch: Fetch) -> None:
        self._fetched += fetch.received
        fetch.free()
        self._fetch = None

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; see `Feed.interests`.
        """
        if self._is_over or self._document is not None:
            return None
        if self._fetch is not None:
            return self._fetch.interests()
        return self._connection.interests()

    def expect_break(self) -> None:
        """
        Note that no thread has read for a long time.
        """
        self._connection.expects_break = True

    def counts(self) -> Counts:
        """
        Return the counts of all connections.
        """
        fetch = self._fetch
        under_way = 0 if fetch is None else fetch.received
        return Counts(
            bytes=self._fetched + self._connection.received + under_way,
            reconnects=self._connection.reconnects,
        )

    def wake(self) -> None:
        """
        Stop the thread that opens or steps with *ClosedError*; callable from any thread or signal
        handler.
        """
        self._woken = True
        self._connection.wake()
        fetch = self._fetch
        if fetch is not None:
            fetch.wake()

    def free(self) -> None:
        """
        Free all sockets; a second call does nothing.
        """
        self._woken = True
        self._connection.free()
        if self._fetch is not None:
            self._fetch.free()


def _lines_of(messages: Sequence[bytes]) -> list[ProvisionerJobLog]:
    """
    Return the line in each of *messages*, but for empty ones.
    """
    return [from_json(message, ProvisionerJobLog) for message in messages if message.strip()]
