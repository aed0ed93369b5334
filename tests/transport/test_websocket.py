"""
What comes over a WebSocket is taken in exact sizes wherever the network splits it.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coder_agents.transport.websocket import _Inbox


@given(
    st.integers(0, 200),
    st.lists(st.integers(1, 40) | st.none(), max_size=30),
    st.lists(st.integers(0, 40), min_size=3, max_size=12),
)
def test_sizes_are_taken_whole_and_in_order(
    begin: int, pieces: list[int | None], sizes: list[int]
) -> None:
    """
    However it comes, and however often it does not come in time meanwhile.
    """
    stream = bytes(range(200))
    rest = bytearray(stream[begin:])
    arriving = iter(pieces)

    def receive() -> bytes:
        size = next(arriving, 1)
        if size is None:
            raise TimeoutError
        data = bytes(rest[:size])
        del rest[:size]
        return data

    inbox = _Inbox(stream[:begin])
    taken = b""
    for size in sizes:
        if len(taken) + size > len(stream):
            break
        while True:
            try:
                part = inbox.take(size, receive)
            except TimeoutError:
                continue
            break
        assert len(part) == size
        taken += part
    assert taken == stream[: len(taken)]


def test_what_is_whole_is_not_copied_more_than_once() -> None:
    """
    A size that is all there is comes as it is.
    """
    whole = bytes(100_000)
    assert _Inbox(whole).take(100_000, bytes) is whole
