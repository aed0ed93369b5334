"""
The pace of requests: rules with a clock of our own, and a simulated deployment with a limit.
"""

from __future__ import annotations

import collections
import heapq
import logging
import math
import os
import pickle
import random
from typing import Any

import pytest
from forked import Child, held_by_another_thread
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from coder_agents.testing.http import ServerRequest
from coder_agents.testing.rate_limit import Limiter, RateLimit
from coder_agents.transport.pace import DEFAULT_RATE, Pace, Turn
from coder_agents.transport.throttle import MIN_RATE, checked_rate

SECONDS = {"retry-after": "60"}


class Clock:
    """
    A clock that stands still until it is moved.
    """

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def begun(turn: Turn, clock: Clock) -> float:
    """
    Move the clock until the turn has come; return that time.
    """
    while not turn.has_come():
        assert turn.is_awaited
        clock.now = max(math.nextafter(clock.now, math.inf), turn.due)
    return clock.now


def test_a_burst_begins_at_the_rate() -> None:
    """
    The first request of a burst begins at once, and the others at equal intervals, in their order.
    """
    clock = Clock()
    pace = Pace(10, clock=clock)
    turns = [pace.turn() for _ in range(30)]
    waiting = [turn for turn in turns if not turn.has_come()]
    assert len(waiting) == 29
    times = [begun(turn, clock) - 1000 for turn in waiting]
    assert times == pytest.approx([number / 10 for number in range(1, 30)])
    assert turns[0].waited == 0
    assert turns[-1].waited == pytest.approx(2.9)


def test_time_without_requests_is_not_saved() -> None:
    """
    After an hour of silence a burst begins no faster than any other.
    """
    clock = Clock()
    pace = Pace(10, clock=clock)
    assert pace.turn().has_come()
    clock.now += 3600
    assert pace.turn().has_come()
    assert begun(pace.turn(), clock) == pytest.approx(4600.1)


def test_a_clock_that_jumps_causes_no_burst() -> None:
    """
    Where all threads slept for an hour, as on a machine that was suspended, a second's requests begin.
    """
    clock = Clock()
    pace = Pace(10, clock=clock)
    turns = [pace.turn() for _ in range(100)]
    assert sum(turn.has_come() for turn in turns) == 1
    clock.now += 3600
    assert sum(turn.has_come() for turn in turns[1:]) == 10
    clock.now -= 7200  # nor does a clock that goes back stop the requests for ever
    assert not turns[50].has_come()
    clock.now += 7201
    assert turns[11].has_come()


def test_the_order_is_that_of_coming() -> None:
    """
    A request that comes later does not begin before one that waits already.
    """
    clock = Clock()
    pace = Pace(1, clock=clock)
    turns = [pace.turn() for _ in range(3)]
    assert [turn.has_come() for turn in turns] == [True, False, False]
    clock.now += 1
    assert not turns[2].has_come()
    assert turns[1].has_come()
    assert turns[1].due == -math.inf
    clock.now += 1
    assert turns[2].has_come()


def test_a_refusal_makes_all_requests_wait() -> None:
    """
    None begins for the requested time; then one does, and after its success the others do.
    """
    clock = Clock()
    pace = Pace(100, clock=clock)
    turns = []
    for _ in range(20):
        turns.append(pace.turn())
        begun(turns[-1], clock)
        assert not turns[-1].answered(200, {})
    refused, other = pace.turn(), pace.turn()
    begun(refused, clock)
    assert refused.answered(429, SECONDS)  # its new place is before those of all that come later
    since = clock.now
    assert not other.has_come()
    assert pace.pause == pytest.approx(60)
    assert "(status 429): none is sent for another 60 seconds" in pace.limit
    assert begun(refused, clock) == pytest.approx(since + 60)
    assert not other.has_come()
    assert not refused.answered(101, {})
    assert begun(other, clock) == pytest.approx(since + 60 + 60 / (20 * 0.9), rel=1e-3)
    assert pace.pause == 0
    assert pace.limit == "the deployment limits requests (status 429): 0.3 a second are sent"
    clock.now += 1e6
    assert pace.limit == ""
    assert refused.waited == pytest.approx(60, abs=0.1)


def test_after_a_pause_one_request_a_second_tries() -> None:
    """
    Nobody knows whether the pause was long enough before a request is accepted.
    """
    clock = Clock()
    pace = Pace(100, clock=clock)
    refused = pace.turn()
    assert refused.has_come()
    assert refused.answered(429, {"retry-after": "10"})
    others = [pace.turn() for _ in range(3)]
    times = [begun(turn, clock) - 1000 for turn in (refused, *others)]
    assert times == pytest.approx([10, 11, 12, 13])
    assert not others[0].answered(200, {})
    assert begun(pace.turn(), clock) - 1000 == pytest.approx(13.01)


def test_without_a_pace_a_request_begins_at_once_and_once() -> None:
    """
    The turn of a request without a pace has come, and its refusal is a refusal.
    """
    turn = Turn(None)
    assert turn.has_come()
    assert not turn.is_awaited
    assert turn.due == -math.inf
    assert not turn.answered(429, SECONDS)
    turn.leave()
    assert turn.waited == 0


def test_a_request_that_leaves_gives_its_place_away() -> None:
    """
    Where a request is given up while it waits, the next one takes its place; a second leave does
    nothing.
    """
    clock = Clock()
    pace = Pace(1, clock=clock)
    turns = [pace.turn() for _ in range(3)]
    assert [turn.has_come() for turn in turns] == [True, False, False]
    turns[1].leave()
    turns[1].leave()
    clock.now += 1
    assert turns[2].has_come()
    late = pace.turn()
    assert not late.has_come()
    assert late.due == clock.now + 1


def test_a_copy_has_the_rate_alone() -> None:
    """
    A pickled pace is a new one of the same rate: another process has its own requests.
    """
    pace = Pace(7)
    pace.turn().has_come()
    copied = pickle.loads(pickle.dumps(pace))
    assert copied.rate == 7
    assert repr(copied) == "<Pace of 7 requests a second>"
    assert copied.turn().has_come()
    assert Pace().rate == DEFAULT_RATE


def test_paces_of_different_rates_share_the_limit() -> None:
    """
    The calls of one client with rates of their own are slowed down by the refusals of each other.
    """
    clock = Clock()
    pace = Pace(10, clock=clock)
    other = pace.at(2)
    assert [turn.has_come() for turn in (other.turn(), other.turn())] == [True, False]
    refused = pace.turn()
    assert refused.has_come()
    assert refused.answered(429, SECONDS)
    assert other.pause == pace.pause == 60
    assert not other.turn().has_come()
    with pytest.raises(ValueError, match="rate"):
        pace.at(0)


def test_a_fork_forgets_the_requests_that_wait() -> None:
    """
    In a forked process, the first request does not wait for the threads of the parent process.
    """
    clock = Clock()
    pace = Pace(1, clock=clock)
    for _ in range(10):
        pace.turn().has_come()
    pace.after_fork_in_child()
    assert pace.turn().has_come()
    assert not pace.turn().has_come()


def test_while_one_request_is_tried_the_others_ask_again_soon() -> None:
    """
    The rate is one a second until the first answer, and may rise with it at any moment.
    """
    clock = Clock()
    pace = Pace(100, clock=clock)
    tried, other = pace.turn(), pace.turn()
    assert tried.has_come()
    assert tried.answered(429, SECONDS)
    assert not other.has_come()
    clock.now += 60
    assert tried.has_come()
    assert not other.has_come()
    assert clock.now < other.due <= clock.now + 0.1


def test_an_interrupt_of_the_wait_gives_the_place_away() -> None:
    """
    After Ctrl-C, no later request waits for the one that will not begin.
    """
    clock = Clock()
    pace = Pace(1, clock=clock)
    assert pace.turn().has_come()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pace.turn().wait(interrupt)
    clock.now += 1
    assert pace.turn().has_come()


def test_a_request_that_has_left_delays_none_after_a_refusal() -> None:
    """
    The first request after a pause begins at its end, though one with an earlier number has left.
    """
    clock = Clock()
    pace = Pace(1, clock=clock)
    refused, leaves = pace.turn(), pace.turn()
    assert refused.has_come()
    assert not leaves.has_come()
    leaves.leave()
    assert refused.answered(429, SECONDS)
    clock.now += 60
    assert refused.has_come()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_paces_while_a_thread_of_its_parent_holds_the_lock() -> None:
    """
    Its lock is free, and paces that share what the deployment has shown still share one lock.
    """
    pace = Pace()
    other = pace.at(1)

    def begins() -> list[bool]:
        has_come = [each.turn().has_come() for each in (pace, other)]
        return [*has_come, other._lock.current is pace._lock.current]

    with held_by_another_thread(pace._lock.current):
        assert Child(begins).result() == [True, True, True]


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, 10**400])
def test_a_rate_that_is_no_rate_is_refused(rate: float) -> None:
    """
    A rate has to be finite and above 0, whatever its size.
    """
    with pytest.raises(
        ValueError, match="rate must be a finite number of requests a second above 0"
    ):
        checked_rate(rate)


@pytest.mark.parametrize("rate", ["16", None, True])
def test_a_rate_is_a_number(rate: Any) -> None:
    """
    A rate of another type is refused before anything is sent.
    """
    with pytest.raises(TypeError, match="rate must be a number of requests a second, not "):
        Pace(rate)


@pytest.mark.parametrize(
    ("seconds", "level"), [("1", logging.INFO), ("60", logging.WARNING), ("x", logging.INFO)]
)
def test_a_pause_is_logged_once(seconds: str, level: int, caplog: pytest.LogCaptureFixture) -> None:
    """
    A program that waits for a minute says why, once for all of its threads.
    """
    clock = Clock()
    pace = Pace(1000, clock=clock)
    turns = [pace.turn() for _ in range(5)]
    for turn in turns:
        begun(turn, clock)
    with caplog.at_level(logging.INFO, "coder_agents"):
        for turn in turns:
            assert turn.answered(429, {"retry-after": seconds})
    [record] = caplog.records
    assert record.levelno == level
    pause = "60.0" if seconds == "60" else "1.0"
    assert f"(status 429): the next one is sent in {pause} s" in record.getMessage()


def test_refusals_without_end_are_a_warning_soon(caplog: pytest.LogCaptureFixture) -> None:
    """
    A program that waits for a deployment which accepts nothing says for how long, however short each pause.
    """
    clock = Clock()
    turn = Pace(clock=clock).turn()
    with caplog.at_level(logging.INFO, "coder_agents"):
        while clock.now < 1000 + 200:
            begun(turn, clock)
            assert turn.answered(429, {"retry-after": "5"})
    messages = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert messages[0] == "the next one is sent in 5.0 s"
    assert messages[1] == "the next one is sent in 5.0 s; none was accepted for 5 s"
    assert messages[6] == "the next one is sent in 60.0 s; none was accepted for 71 s"
    is_long = [record.levelno == logging.WARNING for record in caplog.records]
    assert is_long == [False] * 5 + [True] * (len(is_long) - 5)
    turn.leave()


def refused_alone(turn: Turn, pace: Pace, clock: Clock) -> float:
    """
    Refuse the request of *turn*, and accept another one then; return the time of the refusal.
    """
    begun(turn, clock)
    assert turn.answered(429, {"retry-after": "5"})
    since, other = clock.now, pace.turn()
    begun(other, clock)
    assert not other.answered(200, {})
    return since


def test_a_request_that_alone_is_refused_waits_alone(caplog: pytest.LogCaptureFixture) -> None:
    """
    Coder counts requests for each path: at its third refusal in a row, while others are accepted, a
    request stops no other one.
    """
    clock = Clock()
    pace = Pace(100, clock=clock)
    turn = pace.turn()
    for _ in range(2):
        assert refused_alone(turn, pace, clock) <= clock.now - 5  # the other one has waited, too
    pauses = []
    with caplog.at_level(logging.INFO, "coder_agents"):
        for _ in range(8):
            since = refused_alone(turn, pace, clock)
            assert clock.now - since < 5  # because of the rate alone
            assert turn.is_awaited
            pauses.append(turn.due - since)
    assert pauses == pytest.approx([5, 5, 5, 8, 16, 32, 60, 60])
    assert "one that was refused 3 times is sent in 5.0 s" in caplog.messages[0]
    levels = [record.levelno for record in caplog.records]
    assert levels == 6 * [logging.INFO] + 2 * [logging.WARNING]
    clock.now += 30  # the rate has grown by then
    assert pace.limit.endswith("(status 429): one of them is not sent for another 30 seconds")
    assert not turn.has_come()
    begun(turn, clock)
    assert turn.waited == pytest.approx(sum(pauses) + 10, rel=0.1)
    assert not turn.answered(200, {})
    assert refused_alone(turn, pace, clock) <= clock.now - 5  # the first one in a row again


def test_a_request_that_waits_alone_can_leave() -> None:
    """
    It has no place that another one could take.
    """
    clock = Clock()
    pace = Pace(100, clock=clock)
    turn = pace.turn()
    for _ in range(9):
        refused_alone(turn, pace, clock)
    assert turn.due > clock.now
    clock.now += 30  # the rate has grown by then
    assert "one of them is not sent" in pace.limit
    turn.leave()
    assert not turn.is_awaited
    assert turn.due == -math.inf
    assert pace.limit == ""


class Deployment:
    """
    A simulated deployment with a limit, whose answers take *latency* seconds.
    """

    def __init__(self, limit: RateLimit, latency: float, clock: Clock) -> None:
        self.limiter = Limiter(limit, clock=clock)
        self.latency = latency
        self.seconds: collections.Counter[int] = collections.Counter()
        self.clock = clock
        self.sent = 0

    def answer(self) -> tuple[int, dict[str, str]]:
        self.sent += 1
        self.seconds[int(self.clock.now)] += 1
        request = ServerRequest("GET", "/api/v2/x", "/api/v2/x", (), {}, b"", keep_alive=True)
        verdict = self.limiter.check("x", request)
        if verdict.refusal is None:
            return 200, {}
        return 429, {
            name.lower(): value for name, value in (*verdict.headers, *verdict.refusal.headers)
        }


def run(pace: Pace, deployment: Deployment, requests: int, workers: int) -> float:
    """
    Send *requests* by so many workers; return the seconds that it takes.
    """
    clock, start = deployment.clock, deployment.clock.now
    left = requests
    events: list[tuple[float, int, int, Turn | None, Any]] = [
        (start, number, number, None, None) for number in range(workers)
    ]
    order = workers
    finished = start
    while events:
        at, _, worker, turn, answer = heapq.heappop(events)
        clock.now = max(clock.now, at)
        order += 1
        if turn is None:
            if not left:
                continue
            left -= 1
            turn = pace.turn()
        elif answer is not None and not turn.answered(*answer):
            finished = clock.now
            heapq.heappush(events, (clock.now, order, worker, None, None))
            continue
        if turn.has_come():
            heard = deployment.answer()
            heapq.heappush(events, (clock.now + deployment.latency, order, worker, turn, heard))
        else:
            due = max(turn.due, math.nextafter(clock.now, math.inf))
            heapq.heappush(events, (due, order, worker, turn, None))
    return finished - start


@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize("latency", [0.002, 0.2])
@pytest.mark.parametrize("workers", [1, 16, 64])
def test_two_hundred_requests_of_which_sixty_a_minute_are_accepted(
    workers: int, latency: float, retry_after: bool
) -> None:
    """
    All are accepted, in at most twice the shortest possible time, and few more are refused than were
    under way at the first refusal.
    """
    clock = Clock()
    clock.now += random.Random(workers).uniform(0, 60)
    deployment = Deployment(RateLimit(60, retry_after=retry_after), latency, clock)
    seconds = run(Pace(clock=clock), deployment, 200, workers)
    refused = deployment.limiter.refused["x"]
    assert deployment.sent == 200 + refused
    assert seconds < 2 * 140
    assert refused <= workers + 10


def test_hours_under_a_limit_cost_few_refusals() -> None:
    """
    At most one in fifty of 3,000 requests is refused where 60 a minute are accepted, and at least half
    of the accepted rate is used.
    """
    clock = Clock()
    deployment = Deployment(RateLimit(60), 0.05, clock)
    seconds = run(Pace(clock=clock), deployment, 3000, 16)
    assert deployment.limiter.refused["x"] <= 60
    assert seconds < 2 * 3000


@settings(max_examples=50, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(
    st.integers(1, 200),
    st.sampled_from([0.5, 1.0, 7.0, 60.0, 600.0]),
    st.sampled_from([0.001, 0.05, 1.0]),
    st.integers(1, 32),
    st.booleans(),
    st.sampled_from([5.0, 256.0, 10_000.0]),
    st.floats(0, 600),
)
# Where the rate grew while requests waited for their turns at the old one, 13 began in one second.
@example(28, 7.0, 0.05, 28, False, 5.0, 0.0)
def test_under_any_limit_all_requests_are_accepted(
    limit: int, window: float, latency: float, workers: int, says: bool, rate: float, start: float
) -> None:
    """
    No second has more requests than twice the rate, no limit stops the requests for ever, and those
    that are refused are few.
    """
    clock = Clock()
    clock.now += start
    deployment = Deployment(RateLimit(limit, window=window, retry_after=says), latency, clock)
    seconds = run(Pace(rate, clock=clock), deployment, 100, workers)
    refused = deployment.limiter.refused["x"]
    assert deployment.sent == 100 + refused
    # A limit below the lowest rate, which the answers do not show, is tried every ten seconds or so; each
    # request that is accepted meanwhile begins the pauses of 1, 2, 4, 8, 16 and 32 seconds again.
    tried = max(seconds / 10, 6 * 100) if limit / window < MIN_RATE else seconds / 10
    # Until a refusal is known, each worker may send another request; so it may after the first pause.
    assert refused <= 2 * workers + 30 + tried
    assert seconds < 10 * (max(0, 100 / limit - 1) * window + 120) + 100 / rate
    assert max(deployment.seconds.values()) <= 2 * rate + 2
