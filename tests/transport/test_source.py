"""
What all sources over one connection have in common: they are accepted or refused in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from driving import InThread, open_source, opened, received, until_found
from peer import Conversation, serving

from coder_agents import (
    APIError,
    AuthenticationError,
    Client,
    CoderError,
    ConfigError,
    DecodeError,
    MessageTooLargeError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from coder_agents.transport import (
    ClosedError,
    DocumentSource,
    DroppedError,
    Interest,
    PolledSource,
    SSESource,
)

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMITS: dict[str, Any] = {"idle_timeout": 30.0, "max_message_size": 1000}
REFUSAL = b'{"message": "no"}'
REFUSED = b"HTTP/1.1 500 No\r\nContent-Type: application/json\r\n"


def sse(url: str, *, timeout: Any = 20, **options: Any) -> SSESource:
    """
    Return an unopened source of events.
    """
    http = Client(url, TOKEN, timeout=timeout)._http
    return SSESource(http, "/stream", **{**LIMITS, **options})


def document(url: str, **options: Any) -> DocumentSource:
    """
    Return an unopened document.
    """
    return DocumentSource(Client(url, TOKEN)._http, "/doc", **{**LIMITS, **options})


def answering(*parts: bytes, pause: float = 0.0) -> Callable[[Conversation], None]:
    """
    Return a script that answers with *parts* and leaves the connection open.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        for part in parts:
            conversation.send(part)
            conversation.stop.wait(pause)
        conversation.until_gone()

    return script


def refusal_of(source: Any) -> APIError:
    """
    Return the error with which *source* is refused.
    """
    with pytest.raises(APIError) as raised:
        open_source(source)
    assert source._connection._socket.fileno() == -1
    error: APIError = raised.value
    return error


def test_a_refusal_has_its_body() -> None:
    """
    The body is whole, and the deployment's.
    """
    head = REFUSED + b"Content-Length: %d\r\n\r\n" % len(REFUSAL)
    with serving(answering(head, REFUSAL, pause=0.1)) as peer:
        error = refusal_of(sse(peer.url))
    assert (error.message, error.by_deployment) == ("no", True)


def test_a_refusal_has_its_body_without_a_length() -> None:
    """
    It ends with the connection, as from some proxies.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(REFUSED + b"\r\n" + REFUSAL)

    with serving(script) as peer:
        assert refusal_of(sse(peer.url)).message == "no"


def test_a_refusal_that_breaks_off_is_one_all_the_same() -> None:
    """
    It has what came of its body.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(REFUSED + b"Content-Length: 99\r\n\r\n" + REFUSAL)

    with serving(script) as peer:
        assert refusal_of(sse(peer.url)).message == "no"


def test_a_refusal_without_end_is_read_until_the_time_is_up() -> None:
    """
    It is then raised with what there is.
    """
    with serving(answering(REFUSED + b"Content-Length: 99\r\n\r\n" + REFUSAL)) as peer:
        error = refusal_of(sse(peer.url, timeout=(20, 0.3)))
    assert type(error) is ServerError
    assert error.message == "no"


def test_a_refusal_that_is_too_long_is_cut() -> None:
    """
    Nobody reads a body of any length.
    """
    with serving(answering(REFUSED + b"\r\n", b"x" * 200_000)) as peer:
        error = refusal_of(sse(peer.url))
    assert error.response is not None
    assert 65_536 <= len(error.response.content) < 200_000


def test_another_success_is_no_success() -> None:
    """
    Its body is not read: it may have no end.
    """
    with serving(answering(b"HTTP/1.1 204 No\r\n\r\n")) as peer:
        assert refusal_of(sse(peer.url)).status_code == 204


def test_no_answer_in_time_is_a_time_out() -> None:
    """
    Counted from when the request was sent; what to wait for has that moment.
    """
    with serving(answering()) as peer:
        source = sse(peer.url, timeout=(20, 0.3))
        source.send_request(20)
        assert not source.answered()
        interest = source.interest()
        assert interest is not None
        assert interest.until <= time.monotonic() + 0.3
        with pytest.raises(RequestTimeoutError, match=r"GET .*/stream: no answer in time"):
            until_found(lambda: source.answered() or None, source.interest)
        source.free()


def test_opening_has_a_last_moment_of_its_own() -> None:
    """
    It bounds the dial and the answer.
    """
    with serving(answering()) as peer:
        started = time.monotonic()
        with pytest.raises(RequestTimeoutError, match="no answer in time"):
            open_source(sse(peer.url, open_by=started + 0.3))
        assert time.monotonic() - started < 40
        with pytest.raises(RequestTimeoutError, match="no time is left"):
            sse(peer.url, open_by=started).send_request(20)


def test_how_opening_ends_is_reported_once() -> None:
    """
    The call has None where the request is accepted, and the error where it is not.
    """
    ends: list[CoderError | None] = []
    with serving(Conversation.accept_sse) as peer:
        source = sse(peer.url, on_open=ends.append)
        open_source(source)
        assert source.answered()
        source.free()
    assert ends == [None]
    with pytest.raises(TransportError) as dial:
        sse(peer.url, on_open=ends.append).send_request(20)
    with serving(answering(REFUSED + b"Content-Length: 0\r\n\r\n")) as peer:
        refused = refusal_of(sse(peer.url, on_open=ends.append))
    with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")) as peer:
        with pytest.raises(DecodeError) as other:
            open_source(sse(peer.url, on_open=ends.append))
    assert ends == [None, dial.value, refused, other.value]


def test_a_file_of_the_tls_settings_that_is_gone_is_reported() -> None:
    """
    The error is raised before anything is sent.
    """
    http = Client("http://127.0.0.1:9", TOKEN, verify="no/such.pem")._http
    with pytest.raises(ConfigError, match="verify names a file"):
        SSESource(http, "/stream", **LIMITS).send_request(5)


def test_a_request_that_cannot_be_prepared_is_reported() -> None:
    """
    The error has its URL.
    """
    http = Client("https://.example.com", TOKEN)._http
    with pytest.raises(ConfigError, match=r"GET https://\.example\.com/api/v2/stream"):
        SSESource(http, "/stream", **LIMITS).send_request(5)


def test_silence_is_a_drop() -> None:
    """
    The next read is due when the time is up.
    """
    with serving(Conversation.accept_sse, Conversation.accept_sse) as peer:

        def quiet(conversation: Conversation) -> None:
            conversation.accept_sse()
            conversation.until_gone()

        peer._scripts[0] = quiet
        source = opened(sse(peer.url, idle_timeout=0.3))
        assert source.receive() is None
        interest = source.interest()
        assert interest is not None
        assert interest.until <= time.monotonic() + 0.3
        with pytest.raises(DroppedError, match=r"no byte came for 0\.3 seconds"):
            received(source)
        source.close()


def test_a_source_over_one_connection_never_dials_again() -> None:
    """
    Only a polled one may.
    """
    assert not sse("http://127.0.0.1:9").may_connect()


def test_a_document_comes_whole() -> None:
    """
    Its parts may take their time.
    """
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    with serving(answering(head, b"hello", b"world", pause=0.05)) as peer:
        source = opened(document(peer.url))
        assert received(source) == b"helloworld"
        assert source.received == len(head) + 10
        source.free()


def test_a_document_that_is_too_large_is_refused() -> None:
    """
    It is refused while it comes.
    """
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with serving(answering(head, b"x" * 1001)) as peer:
        source = opened(document(peer.url))
        with pytest.raises(MessageTooLargeError, match="more than 1000 bytes"):
            received(source)
        source.free()


def test_a_document_that_stops_coming_is_a_drop() -> None:
    """
    It is a drop as for any source.
    """
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    with serving(answering(head, b"x")) as peer:
        source = opened(document(peer.url, idle_timeout=0.2))
        with pytest.raises(DroppedError, match="no byte came"):
            received(source)
        source.free()


def polled(url: str, interval: float) -> PolledSource:
    """
    Return an unopened source that requests a document again and again.
    """
    http = Client(url, TOKEN)._http
    return PolledSource(lambda: DocumentSource(http, "/doc", **LIMITS), interval=interval)


def one(text: bytes) -> Callable[[Conversation], None]:
    """
    Return a script that answers once.
    """
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text), text, pause=0.05)


def test_a_polled_document_is_requested_when_it_is_due() -> None:
    """
    Between two of them nothing is open, and only time has to pass.
    """
    with serving(one(b"1"), one(b"2")) as peer:
        source = polled(peer.url, 0.3)
        assert source.may_connect()
        open_source(source)
        assert not source.may_connect()
        assert received(source) == b"1"
        before = time.monotonic()
        assert not source.may_connect()
        assert source.receive() is None
        interest = source.interest()
        assert interest is not None
        assert interest == Interest(None, 0, interest.until)
        assert before < interest.until <= time.monotonic() + 0.3
        assert received(source) == b"2"
        assert source.received > 40
        source.free()


def test_a_polled_document_that_is_refused_raises() -> None:
    """
    It raises as opening the source would.
    """
    head = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    with serving(one(b"1"), answering(head)) as peer:
        source = polled(peer.url, 0.0)
        open_source(source)
        assert received(source) == b"1"
        with pytest.raises(AuthenticationError):
            received(source)
        source.free()


def test_a_polled_source_wakes_at_any_moment() -> None:
    """
    Between two documents, while one is read, and before the first.
    """
    with serving(one(b"1"), answering()) as peer:
        source = polled(peer.url, 0.0)
        open_source(source)
        assert received(source) == b"1"
        reading = InThread(lambda: received(source))
        while source._document is None:
            time.sleep(0.001)
        source.wake()
        assert isinstance(reading.ended(), ClosedError)
        assert source.interest() is None
        source.free()
        source = polled(peer.url, 9.0)
        assert source.interest() == Interest(None, 0, 0.0)
        source.wake()
        with pytest.raises(ClosedError):
            source.receive()
        with pytest.raises(ClosedError):
            source.send_request(5)
        source.free()
