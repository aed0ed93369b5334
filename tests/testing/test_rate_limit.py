"""
The limit of requests: 429 with the headers of Coder's server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coder_agents.testing import Deployment, RateLimit
from coder_agents.testing.http import ServerRequest
from coder_agents.testing.rate_limit import Limiter

CALM = RateLimit(2, window=3600.0)


def get(path: str, token: str = "") -> ServerRequest:
    """
    Return a GET of *path* with *token*.
    """
    return ServerRequest(
        "GET", path, path, (), {"coder-session-token": token}, b"", keep_alive=True
    )


class Clock:
    """
    A clock that is moved by hand; its windows of ten seconds begin at multiples of ten.
    """

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def limited() -> Iterator[Deployment]:
    """
    A deployment that accepts two requests an hour.
    """
    with Deployment(rate_limit=CALM) as made:
        yield made


def test_what_exceeds_the_limit_is_refused(limited: Deployment, calls: Any) -> None:
    """
    The third request of an hour is answered with 429, and counted; other routes have their own limit.
    """
    call = calls(limited)
    answers = [call.get("/users/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {
        "message": "You've been rate limited for sending more than 2 requests in 60m0s."
    }
    headers = answers[2].headers
    assert headers["Retry-After"] == "3600"
    assert headers["X-RateLimit-Limit"] == "2"
    assert headers["X-RateLimit-Remaining"] == "0"
    assert int(headers["X-RateLimit-Reset"]) % 3600 == 0
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"
    assert call.get("/buildinfo").status_code == 200
    assert limited.rate_limited == {"me": 1}
    assert len(limited.requests) == 4


def test_the_handshake_of_a_stream_is_refused_alike(limited: Deployment, calls: Any) -> None:
    """
    A WebSocket and events count like other requests, and a refused one uses up no fault.
    """
    agent = limited.add_agent()
    call = calls(limited)
    for path in ("logs?follow", "watch-metadata"):
        url = f"/workspaceagents/{agent.id}/{path}"
        statuses = [call.get(url, stream=True).status_code for _ in range(4)]
        assert statuses[-1] == 429
    fault = limited.faults.add("refuse", route="watch_metadata", status=503)
    assert call.get(url).status_code == 429
    assert fault.struck == 0


def test_without_a_limit_no_header_names_one(deployment: Deployment, call: Any) -> None:
    """
    A deployment without a limit is as before, and an impossible limit is refused.
    """
    answers = [call.get("/users/me") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in name.lower() for name in answers[0].headers)
    assert deployment.rate_limited == {}
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="requests"):
            Deployment(rate_limit=wrong)


def test_a_number_is_a_limit_for_a_minute() -> None:
    """
    The argument may be a number alone, as the option of Coder's server is.
    """
    with Deployment(rate_limit=60) as made:
        assert made._limiter._limit == RateLimit(60, window=60.0)


def test_the_window_slides() -> None:
    """
    A request of the window before counts by the share of that window which is less than one window
    ago.
    """
    clock = Clock()
    limiter = Limiter(RateLimit(10, window=10.0), clock=clock)

    def accepted() -> int:
        count = 0
        while limiter.check("me", get("/api/v2/users/me")).refusal is None:
            count += 1
        return count

    assert accepted() == 10
    clock.now += 9.9
    assert accepted() == 0
    clock.now = 1010.0
    assert accepted() == 0
    clock.now = 1015.0
    assert accepted() == 5
    clock.now = 1020.0
    assert accepted() == 5
    clock.now = 1100.0
    assert accepted() == 10
    assert limiter.refused["me"] == 6


@pytest.mark.parametrize(("per", "accepted"), [("route", 2), ("path", 4)])
def test_what_an_endpoint_is(per: Any, accepted: int) -> None:
    """
    The same call for two agents is one endpoint, or two; another user has a limit of his own.
    """
    limiter = Limiter(RateLimit(2, per=per), clock=Clock())
    requests = [get(f"/api/v2/workspaceagents/{agent}") for agent in "ababab"]
    verdicts = [limiter.check("agent", request) for request in requests]
    assert sum(verdict.refusal is None for verdict in verdicts) == accepted
    assert limiter.check("agent", get("/api/v2/workspaceagents/a", "other")).refusal is None


def test_what_is_outside_the_api_has_no_limit() -> None:
    """
    The pages of the dashboard are not limited.
    """
    limiter = Limiter(RateLimit(1), clock=Clock())
    assert all(limiter.check("", get("/")).refusal is None for _ in range(5))


@pytest.mark.parametrize(
    ("window", "text", "seconds"), [(60.0, "1m0s", "60"), (0.5, "0.5s", "1"), (90.0, "1m30s", "90")]
)
def test_a_refusal_names_the_limit(window: float, text: str, seconds: str) -> None:
    """
    The window is written as Go writes it, and Retry-After has whole seconds, or is missing.
    """
    for retry_after in (True, False):
        limiter = Limiter(RateLimit(1, window=window, retry_after=retry_after), clock=Clock())
        refused = [limiter.check("me", get("/api/v2/users/me")).refusal for _ in range(2)][1]
        assert refused is not None
        assert f"more than 1 requests in {text}.".encode() in refused.body
        assert dict(refused.headers).get("Retry-After") == (seconds if retry_after else None)
