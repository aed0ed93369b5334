"""
What of a terminal's output is new after another attachment.

The agent keeps the last 65,536 bytes of a terminal's output and sends them to whoever attaches. It
reports neither how many bytes came before them nor where the replay ends.
"""

from __future__ import annotations

REPLAYED = 65_536
"""
Bytes that the agent keeps of a terminal's output, at most.
"""

_SEED = 32  # bytes by which the place of a replay is found before it is compared


class History:
    """
    The end of the output that was received, as far as the agent may send it again.

    Attributes:
        total: how many bytes were received.
    """

    def __init__(self) -> None:
        self.total = 0
        self._tail = bytearray()

    def add(self, output: bytes) -> None:
        """
        Note that *output* was received.
        """
        self.total += len(output)
        self._tail += output
        del self._tail[:-REPLAYED]

    @property
    def replayed(self) -> int:
        """
        How many bytes the agent replays at least.
        """
        return len(self._tail)

    def new_in(self, replay: bytes) -> tuple[bytes, bool]:
        """
        Return what is new in *replay*, the first bytes of another attachment, and whether nothing is
        missing before it.

        *replay* has at least `replayed` bytes, unless the agent keeps fewer. While everything that was
        received is replayed, the answer is exact. After that, the longest overlap counts as what was
        received: of an output that repeats itself, something new may be taken for it.
        """
        tail = bytes(self._tail)
        if self.total <= REPLAYED and replay.startswith(tail):
            return replay[len(tail) :], True
        overlap = _overlap(tail, replay)
        return replay[overlap:], overlap > 0 or not tail


def _overlap(tail: bytes, replay: bytes) -> int:
    """
    Return how many of the last bytes of *tail* are the first of *replay*, the most that can be.
    """
    at = max(0, len(tail) - len(replay))
    while len(tail) - at > _SEED:
        at = tail.find(replay[:_SEED], at)
        if at < 0:
            at = len(tail) - _SEED
            break
        if replay.startswith(tail[at:]):
            return len(tail) - at
        at += 1
    for begin in range(max(at, 0), len(tail)):
        if replay.startswith(tail[begin:]):
            return len(tail) - begin
    return 0
