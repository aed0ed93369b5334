"""
What of a replay is new.
"""

from __future__ import annotations

import time

import pytest
from effort import times
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_agents.terminal.replay import REPLAYED, History, _overlap

SOME = st.one_of(
    st.text("ab", max_size=90), st.text("a", max_size=90), st.text("abcdefgh", max_size=90)
).map(str.encode)


def longest_overlap(tail: bytes, replay: bytes) -> int:
    """
    Return the same as `_overlap`, by trying every length.
    """
    most = min(len(tail), len(replay))
    return next(n for n in range(most, -1, -1) if replay.startswith(tail[len(tail) - n :]))


@settings(max_examples=times(100, 2000))
@given(SOME, SOME, st.integers(0, 90))
def test_the_overlap_is_the_longest(tail: bytes, after: bytes, kept: int) -> None:
    """
    The overlap has the most bytes that end the one text and begin the other.
    """
    for replay in (after, tail[kept:] + after):
        assert _overlap(tail, replay) == longest_overlap(tail, replay)


@settings(max_examples=times(50, 500))
@given(st.lists(SOME, max_size=8), SOME)
def test_what_is_replayed_in_whole_is_skipped_exactly(parts: list[bytes], new: bytes) -> None:
    """
    While the agent still keeps everything, repetitions in the output do not matter.
    """
    history = History()
    for part in parts:
        history.add(part)
    assert history.new_in(b"".join(parts) + new) == (new, True)


@pytest.mark.parametrize("missed", [0, 1, 100, REPLAYED - 1])
def test_the_end_of_a_long_output_is_found_in_the_replay(missed: int) -> None:
    """
    The agent replays the last 65,536 bytes, whatever was missed of them.
    """
    output = b"".join(b"line %d\r\n" % number for number in range(30_000))
    history = History()
    history.add(output[: len(output) - missed])
    assert history.total > REPLAYED
    assert history.new_in(output[-REPLAYED:]) == (output[len(output) - missed :], True)


def test_what_was_missed_for_too_long_is_a_gap() -> None:
    """
    A replay in which nothing of the output before is found is new in whole.
    """
    history = History()
    history.add(b"x" * (REPLAYED + 1))
    assert history.new_in(b"y" * REPLAYED) == (b"y" * REPLAYED, False)
    assert History().new_in(b"y") == (b"y", True)


def test_the_worst_output_is_compared_in_seconds() -> None:
    """
    An output of one letter, which nearly overlaps everywhere, does not take quadratic time.
    """
    began = time.process_time()
    assert _overlap(b"a" * (REPLAYED - 1) + b"b", b"a" * REPLAYED) == 0
    assert time.process_time() - began < 20
