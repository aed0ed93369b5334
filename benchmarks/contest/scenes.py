"""
What each agent of the feeding server sends, as bytes that are ready for the socket.
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
import uuid
from collections.abc import Iterator

import attrs

from contest import feed
from contest.figures import Scale

LOGS, METADATA, FLOW, TIMED, BUSY, HALF, WHOLE, LONG, SINGLE = (
    uuid.UUID(int=number) for number in range(1, 10)
)
"""
The agents: a log and metadata in messages of 20 KB, the same over and over for those who do
not decode it, small events now and then, a busy log, events of 0.8 MB and of 1.6 MB in
small pieces, a long log, a log with one line in each message.
"""

_DIFFERENT = 0x100  # what is added to an agent's number for the feed in which all are different

PIECE = 128
"""
Bytes of a small piece of an event.
"""

SINGLES = 10
"""
Messages of one line for each message of 95.
"""

_FLOWING = 200  # messages that are sent at once where they come over and over
_STEP = 0.1  # seconds between two messages of the busy log
_BATCH = 20  # lines of each: in a minute the megabyte that a deployment keeps of an agent
_PAUSE = 0.003  # seconds between two events whose way is timed


def frame(message: bytes) -> bytes:
    """
    Return the WebSocket text frame of *message*, as a server sends it.
    """
    size = len(message)
    if size < 126:
        return bytes((0x81, size)) + message
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + message
    return b"\x81\x7f" + size.to_bytes(8, "big") + message


def chunk(data: bytes) -> bytes:
    """
    Return *data* as a chunk of a chunked HTTP body.
    """
    return b"%x\r\n%s\r\n" % (len(data), data)


def fed(agent: uuid.UUID, scale: Scale) -> uuid.UUID:
    """
    Return the agent that sends what *agent* sends, in the feed that *scale* names.
    """
    return uuid.UUID(int=agent.int + _DIFFERENT) if scale.different else agent


@attrs.define
class Run:
    """
    One contestant's visit to the busy log.
    """

    began: float = attrs.field(factory=time.monotonic)

    def due(self) -> int:
        """
        Return how many batches of the log are there by now.
        """
        return int((time.monotonic() - self.began) / _STEP) + 1


class Scenes:
    """
    All that can be sent; made once, before a contestant's clock starts.
    """

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._making = threading.Lock()
        self._runs: dict[str, Run] = {}

    def body(self, agent: uuid.UUID, after: int, token: str) -> bytes:
        """
        Return the body of *agent*'s log after the id *after*.

        For the busy log that is what is due by now, for any other the large body.
        """
        if agent == BUSY:
            return _listed(self._backlog(self._run(token), after))
        return self._large(is_different(agent))

    @functools.cache  # noqa: B019  # there is one
    def _large(self, different: bool) -> bytes:
        return feed.logs(self._scale.body, different=different)

    @functools.cache  # noqa: B019
    def _frames(self, different: bool = False) -> list[bytes]:
        count = self._scale.warm + self._scale.messages
        return [frame(message) for message in feed.log_messages(count, different=different)]

    @functools.cache  # noqa: B019
    def _singles(self, different: bool) -> list[bytes]:
        count = (self._scale.warm + self._scale.messages) * SINGLES
        return [frame(message) for message in feed.log_messages(count, 1, different=different)]

    @functools.cache  # noqa: B019
    def _events(self, different: bool = False) -> list[bytes]:
        count = self._scale.warm + self._scale.messages
        events = (feed.metadata(number, different=different) for number in range(count))
        return [chunk(feed.event(event)) for event in events]

    @functools.cached_property
    def _batches(self) -> list[list[tuple[int, str]]]:
        # A few more than are asked for, so that the end is not waited for.
        steps = int((self._scale.seconds + 5) / _STEP)
        return [list(feed.lines(_BATCH, first=step * _BATCH)) for step in range(steps)]

    def prepare(self, agent: uuid.UUID) -> None:
        """
        Make what *agent* sends, where that was not done yet.
        """
        agent, different = _of_feed(agent)
        with self._making:
            if agent == LOGS:
                self._frames(different)
            elif agent == METADATA:
                self._events(different)
            elif agent == SINGLE:
                self._singles(different)
            elif agent == FLOW:
                self._frames(), self._events()
            elif agent == BUSY:
                len(self._batches)

    def frames(self, agent: uuid.UUID, after: int, token: str) -> Iterator[bytes]:
        """
        Yield the frames of *agent*'s log after the id *after*, each when it is due.

        Connections with the same *token* follow the same busy log.
        """
        agent, different = _of_feed(agent)
        if agent == LOGS:
            return iter(self._frames(different))
        if agent == SINGLE:
            return iter(self._singles(different))
        if agent == FLOW:
            return itertools.repeat(b"".join(self._frames()[:_FLOWING]))
        if agent == LONG:
            return map(frame, feed.log_messages(self._scale.long // feed.LINES + 1))
        return self._busy(self._run(token), after)

    def _run(self, token: str) -> Run:
        return self._runs.setdefault(token, Run())

    def _backlog(self, run: Run, after: int) -> list[str]:
        due = itertools.chain(*self._batches[: run.due()])
        return [text for number, text in due if number > after]

    def _busy(self, run: Run, after: int) -> Iterator[bytes]:
        due = run.due()
        yield frame(_listed(self._backlog(run, after)))
        for step in range(due, len(self._batches)):
            time.sleep(max(0.0, run.began + step * _STEP - time.monotonic()))
            yield frame(_listed([text for _, text in self._batches[step]]))

    def chunks(self, agent: uuid.UUID) -> Iterator[bytes]:
        """
        Yield the chunks of *agent*'s metadata, each when it is due.
        """
        agent, different = _of_feed(agent)
        if agent == METADATA:
            return iter(self._events(different))
        if agent == FLOW:
            return itertools.repeat(b"".join(self._events()[:_FLOWING]))
        if agent == TIMED:
            return self._timed()
        size = 1_600_000 if agent == WHOLE else 800_000
        return self._pieces(size)

    def _timed(self) -> Iterator[bytes]:
        stamp = f"{0:020d}"
        before, after = chunk(feed.event(feed.metadata(0, 4, first_value=stamp))).split(
            stamp.encode()
        )
        while True:
            time.sleep(_PAUSE)
            yield before + b"%020d" % time.monotonic_ns() + after

    def _pieces(self, size: int) -> Iterator[bytes]:
        for number in range(self._scale.large + 1):
            event = feed.large_event(size, number)
            for start in range(0, len(event), PIECE):
                yield chunk(event[start : start + PIECE])


def busy_lines(scale: Scale) -> int:
    """
    Return how many lines the busy log has while it is followed.
    """
    return int(scale.seconds / _STEP) * _BATCH


def is_different(agent: uuid.UUID) -> bool:
    """
    Return whether *agent* is one of the feed in which all are different.
    """
    return agent.int > _DIFFERENT


def _of_feed(agent: uuid.UUID) -> tuple[uuid.UUID, bool]:
    """
    Return the agent of the usual feed that *agent* stands for, and whether all are different.
    """
    different = is_different(agent)
    return (uuid.UUID(int=agent.int - _DIFFERENT) if different else agent), different


def _listed(lines: list[str]) -> bytes:
    return f"[{','.join(lines)}]\n".encode()
