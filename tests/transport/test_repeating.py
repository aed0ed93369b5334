"""
REST calls that can be woken, and are sent again where others would be.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from peer import Conversation, serving

from coder_agents import APIError, Client, CoderError, TransportError
from coder_agents.transport import HTTP, RepeatingHTTP

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def status(number: int, *headers: str) -> bytes:
    """
    Return an answer of this status.
    """
    lines = [f"HTTP/1.1 {number} Odd", "Content-Length: 0", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


def playing(answers: list[bytes]) -> Callable[[Conversation], None]:
    """
    Return a script that gives one of *answers* to each connection; an empty one is a drop.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        answer = answers.pop(0)
        if answer:
            conversation.send(answer)

    return script


def repeating(url: str, retries: int = 3, timeout: float = 60) -> RepeatingHTTP:
    """
    Return the calls of a client.
    """
    return RepeatingHTTP.like(Client(url, "token", retries=retries, timeout=timeout)._http)


@pytest.mark.parametrize("failures", [[b""], [status(503)], [status(502), b""], [status(504)] * 3])
def test_a_get_is_sent_again_after_a_failure_that_may_pass(failures: list[bytes]) -> None:
    """
    A drop and the statuses of an overloaded deployment cost the caller nothing.
    """
    with serving(playing([*failures, OK])) as peer:
        assert repeating(peer.url).call("GET", "/x") == b"{}"
        assert peer.accepted == len(failures) + 1


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([status(404)], APIError),
        ([status(500)], APIError),
        ([status(503), status(401)], APIError),
        ([status(503), status(503)], APIError),
        ([b"", b""], TransportError),
        ([status(503, "Retry-After: 61")], APIError),
    ],
)
def test_a_failure_that_stays_is_raised(answers: list[bytes], error: type[CoderError]) -> None:
    """
    The last one is raised, after as many tries as the settings allow, and before a pause that would be
    longer than the read time-out.
    """
    count = len(answers)
    with serving(playing(answers)) as peer:
        with pytest.raises(error):
            repeating(peer.url, retries=1).call("GET", "/x")
        assert peer.accepted == count


def test_a_post_is_sent_once() -> None:
    """
    It may have been executed.
    """
    with serving(playing([status(503), OK])) as peer:
        with pytest.raises(APIError):
            repeating(peer.url).call("POST", "/x", body="{}")
        assert peer.accepted == 1


def test_a_refused_certificate_is_final() -> None:
    """
    The next try would fail in the same way.
    """
    from coder_agents.errors import TLSError
    from coder_agents.transport.repeating import _pause_after

    assert _pause_after(TLSError("no", certificate_refused=True), 0) is None
    assert _pause_after(TLSError("broken"), 0) == 0.0
    assert _pause_after(TransportError("no"), 2) == 0.8


def test_what_is_kept_for_commands_can_be_closed_alone() -> None:
    """
    The connections of one agent, and then all; what others keep under other keys stays until then.
    """
    closed = []

    class Held:
        def close(self) -> None:
            """
            Note that it is closed.
            """
            closed.append(self)

    http = repeating("https://coder.example.com")
    assert isinstance(http, HTTP)
    one, two, other = Held(), Held(), Held()
    http.held.update({("shells", 1): one, ("shells", 2): two, "proxy": other})
    http.release_agent(1)  # type: ignore[arg-type]
    assert closed == [one]
    http.release()
    assert closed == [one, two, other]
    assert http.held == {}
    http.release()
