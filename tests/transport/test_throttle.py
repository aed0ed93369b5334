"""
What refusals show of the limit of a deployment: the rules alone, with times of our own.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.transport.throttle import MAX_PAUSE, MIN_RATE, Throttle


def accept(throttle: Throttle, count: int, *, first: float = 0.0, apart: float = 0.0) -> None:
    """
    Note *count* accepted requests from *first* on, *apart* seconds from each other.
    """
    for number in range(count):
        at = first + number * apart
        throttle.accepted(at, at)


def test_nothing_is_slowed_down_before_a_refusal() -> None:
    """
    Without a refusal there is no pause and no limit.
    """
    throttle = Throttle()
    accept(throttle, 100)
    assert throttle.rate(0.0) == math.inf
    assert throttle.not_before == -math.inf


def test_the_requested_pause_is_made() -> None:
    """
    A refusal with a pause of 17 seconds begins a pause of exactly 17 seconds.
    """
    throttle = Throttle()
    assert throttle.refused(0.0, 1.0, 17.0)
    assert throttle.not_before == 18.0


@pytest.mark.parametrize("requested", [None, 0.0, -1.0])
def test_without_a_requested_pause_each_pause_is_twice_the_one_before(
    requested: float | None,
) -> None:
    """
    A pause of zero is none: a deployment that refuses always would be hammered.
    """
    throttle = Throttle()
    now, pauses = 0.0, []
    for _ in range(9):
        assert throttle.refused(now, now, requested)
        pauses.append(throttle.not_before - now)
        now = throttle.not_before
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_requested_pause_that_is_too_short_becomes_longer() -> None:
    """
    A deployment that requests a second each time, and refuses after it, gets no request every second.
    """
    throttle = Throttle()
    now, pauses = 0.0, []
    for _ in range(5):
        throttle.refused(now, now, 1.0)
        pauses.append(throttle.not_before - now)
        now = throttle.not_before
    assert pauses == [1, 2, 4, 8, 16]


def test_the_longest_pause_is_six_hours() -> None:
    """
    A deployment whose Retry-After makes no sense is tried again on the same day.
    """
    throttle = Throttle()
    throttle.refused(0.0, 0.0, 1e9)
    assert throttle.not_before == MAX_PAUSE == 6 * 3600


def test_refusals_of_requests_that_were_under_way_are_one() -> None:
    """
    Sixteen threads whose requests were all refused at once begin one pause, not sixteen, and a longer
    requested pause counts.
    """
    throttle = Throttle()
    begun = [throttle.refused(0.0, 1.0 + number / 100, None) for number in range(16)]
    assert begun == [True] + 15 * [False]
    assert throttle.not_before == 2.0
    assert not throttle.refused(0.5, 1.5, 30.0)
    assert throttle.not_before == 31.5
    assert throttle.refused(31.5, 31.6, None)  # sent after the pause: the next one
    assert throttle.not_before == pytest.approx(33.6)


def test_the_rate_is_what_the_deployment_accepts_in_the_time_of_a_pause() -> None:
    """
    After 60 requests in a burst and a pause of 60 seconds, nine requests begin in ten seconds.
    """
    throttle = Throttle()
    accept(throttle, 60, apart=0.01)
    throttle.refused(0.6, 0.6, 60.0)
    throttle.accepted(60.6, 60.7)
    assert throttle.rate(60.7) == pytest.approx(0.9, rel=0.01)


def test_the_rate_without_requested_pauses_is_found_by_trying() -> None:
    """
    The pauses of one, two and four seconds until a request is accepted count together.
    """
    throttle = Throttle()
    accept(throttle, 60, apart=0.01)
    now = 0.6
    for _ in range(3):
        throttle.refused(now, now, None)
        now = throttle.not_before
        assert throttle.rate(now) == 1.0  # one a second, until one is accepted
    throttle.accepted(now, now)
    assert throttle.rate(now) == pytest.approx(0.9 * 60 / 7, rel=0.01)


def test_refusals_less_than_a_minute_apart_are_one_row() -> None:
    """
    A pause soon after another one is longer, also where requests were accepted in between.
    """
    throttle = Throttle()
    now, pauses = 0.0, []
    for seconds in (10, 59, 59, 61, 10):
        throttle.refused(now, now, None)
        pauses.append(throttle.not_before - now)
        now = throttle.not_before
        throttle.accepted(now, now)
        now += seconds
    assert pauses == [1, 2, 4, 8, 1]


def test_answers_that_were_under_way_at_the_refusal_count() -> None:
    """
    A request that was sent before the pause, and accepted in it, ends no row of refusals.
    """
    throttle = Throttle()
    accept(throttle, 50, apart=0.01)
    throttle.refused(0.6, 0.6, 60.0)
    for _ in range(10):
        throttle.accepted(0.59, 0.7)
    throttle.accepted(60.6, 60.7)
    assert throttle.rate(60.7) == pytest.approx(0.9, rel=0.01)
    throttle.accepted(0.59, 61.0)
    throttle.refused(61.0, 61.0, None)
    throttle.accepted(60.9, 61.5)
    assert throttle.rate(62.0) <= 1.0


def test_a_refusal_of_the_first_request_leaves_the_rate_alone() -> None:
    """
    Where nothing was accepted, nothing is known of the limit: another program may have used it up.
    """
    throttle = Throttle()
    throttle.refused(0.0, 0.0, 5.0)
    assert throttle.rate(5.0) == 1.0
    throttle.accepted(5.0, 5.1)
    assert throttle.rate(5.1) == math.inf


def test_the_rate_grows_slowly() -> None:
    """
    After a pause of a minute the rate doubles in half an hour, and after one of a second in a minute.
    """
    for pause, doubling in ((60.0, 1800.0), (1.0, 60.0), (3600.0, 1800.0), (10.0, 300.0)):
        throttle = Throttle()
        accept(throttle, 6000, apart=pause / 6000)
        throttle.refused(pause, pause, pause)
        throttle.accepted(2 * pause, 2 * pause)
        rate = throttle.rate(2 * pause)
        assert throttle.rate(2 * pause + doubling) == pytest.approx(2 * rate)
        assert throttle.rate(1e12) > 1e12


def test_a_refusal_raises_no_rate() -> None:
    """
    The rate after a second refusal is at most the rate at which that came.
    """
    throttle = Throttle()
    accept(throttle, 60, apart=0.01)
    throttle.refused(0.6, 0.6, 60.0)
    throttle.accepted(60.6, 60.6)
    before = throttle.rate(61.0)
    accept(throttle, 40, first=61.0)
    throttle.refused(61.0, 61.0, 1.0)
    throttle.accepted(62.0, 62.0)
    assert throttle.rate(62.0) <= before * 1.01


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100),
            st.booleans(),
            st.sampled_from([None, -1.0, 0.0, 0.5, 60.0, 3600.0, 1e9]),
        ),
        max_size=60,
    )
)
def test_the_rate_never_falls_below_the_lowest_one(
    answers: list[tuple[float, bool, float | None]],
) -> None:
    """
    Requests begin again at some time after any answers, at least one in ten seconds.
    """
    throttle = Throttle()
    now = 0.0
    for seconds, is_accepted, requested in answers:
        sent = max(now, throttle.not_before)
        now = sent + seconds
        if is_accepted:
            throttle.accepted(sent, now)
        else:
            throttle.refused(sent, now, requested)
        assert throttle.not_before <= now + MAX_PAUSE
        assert throttle.rate(max(now, throttle.not_before)) >= MIN_RATE
