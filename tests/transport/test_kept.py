"""
Connections that are kept are lent to one request at a time, and reused where nothing is left on them.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from driving import InThread, body_of, reached
from peer import Conversation, Peer, Script, serving

from coder_agents import (
    APIError,
    Client,
    ConfigError,
    DecodeError,
    MessageTooLargeError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from coder_agents.transport import HTTP, ClosedError, KeptConnections, KeptRequest

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
JSON = b"Content-Type: application/json; charset=utf-8\r\n"


def answer(body: bytes, status: bytes = b"200 OK", headers: bytes = JSON) -> bytes:
    """
    Return a whole answer.
    """
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, headers, len(body), body)


def next_head(conversation: Conversation) -> bytes:
    """
    Return the next request over the same connection.
    """
    conversation.head = b""
    return conversation.read_head()


def serve(conversation: Conversation) -> None:
    """
    Answer each request with its path.
    """
    while True:
        path = next_head(conversation).split(b" ")[1]
        conversation.send(answer(json.dumps(path.decode()).encode()))


def serve_when(gate: threading.Event) -> Script:
    """
    Return a script that serves once *gate* is open.
    """

    def script(conversation: Conversation) -> None:
        gate.wait(60)
        serve(conversation)

    return script


def answering(*answers: bytes) -> Script:
    """
    Return a script that sends one of *answers* for each request, then leaves the connection open.
    """

    def script(conversation: Conversation) -> None:
        for part in answers:
            next_head(conversation)
            conversation.send(part)
        conversation.until_gone()

    return script


@pytest.fixture
def client() -> Iterator[Callable[..., HTTP]]:
    """
    A function of a URL that returns what a client of it calls with; it is closed afterwards.
    """
    clients = []

    def make(url: str, **settings: Any) -> HTTP:
        clients.append(Client(url, TOKEN, **settings))
        http: HTTP = clients[-1]._http
        return http

    yield make
    for one in clients:
        one.close()


def request(
    http: HTTP, path: str = "/a", *params: tuple[str, str], size: int = 1000
) -> KeptRequest:
    """
    Return a request that was not sent.
    """
    return KeptRequest(http.kept, path, list(params), max_message_size=size)


def fetch(http: HTTP, path: str = "/a", *params: tuple[str, str]) -> object:
    """
    Return the answer to a GET of *path*.
    """
    one = request(http, path, *params)
    try:
        return json.loads(body_of(one))
    finally:
        one.free()


MakeClient = Callable[..., HTTP]


@pytest.fixture(params=["plain", "tls"])
def peer_of(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext
) -> Iterator[Callable[..., Peer]]:
    """
    A function of scripts that returns a peer that runs them, plain and over TLS.
    """
    peers = []

    def make(*scripts: Script) -> Peer:
        peers.append(Peer(*scripts, tls=server_tls if request.param == "tls" else None))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def test_a_connection_is_reused(
    client: MakeClient, peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    Only the path and the parameters change.
    """
    peer = peer_of(serve)
    http = client(peer.url + "/prä", verify=authority_file)
    for number in range(5):
        one = request(http, "/a%20b", ("after", str(number)), ("q", "ä b"))
        assert one.may_connect() is (number == 0)
        before = time.monotonic()
        path = f"/pr%C3%A4/api/v2/a%20b?after={number}&q=%C3%A4+b"
        assert json.loads(body_of(one)) == path
        assert before <= one.requested <= time.monotonic()
        assert one.received > 100
        one.free()
    assert peer.accepted == 1


def test_a_request_carries_the_clients_headers(client: MakeClient) -> None:
    """
    The token among them, and those of a check: no cache, no compression, kept alive.
    """
    heads: list[bytes] = []

    def script(conversation: Conversation) -> None:
        for _ in range(2):
            heads.append(next_head(conversation))
            conversation.send(answer(b"[]"))

    with serving(script) as peer:
        http = client(peer.url, headers={"X-Gate": "open"}, user_agent="me/1")
        fetch(http)
        fetch(http)
        http.close()
    assert heads[0] == heads[1]
    for header in (
        f"Host: 127.0.0.1:{peer.port}",
        f"Coder-Session-Token: {TOKEN}",
        "X-Gate: open",
        "User-Agent: me/1",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",
        "Connection: keep-alive",
    ):
        assert f"{header}\r\n".encode() in heads[0]


def test_an_own_session_prepares_each_request(client: MakeClient) -> None:
    """
    Its auth may differ from one to the next.
    """
    heads: list[bytes] = []
    count = iter(range(9))

    def auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["X-Count"] = str(next(count))
        return prepared

    def script(conversation: Conversation) -> None:
        for _ in range(2):
            heads.append(next_head(conversation))
            conversation.send(answer(b"[]"))
        conversation.until_gone()

    session = requests.Session()
    session.auth = auth
    with serving(script) as peer:
        http = client(peer.url, session=session)
        fetch(http)
        fetch(http)
        http.close()
    assert b"X-Count: 1\r\n" in heads[0]
    assert b"X-Count: 2\r\n" in heads[1]
    session.close()


WHOLE = answer(b'["' + b"x" * 20 + b'"]')


def test_every_split_point_gives_the_same_answer(client: MakeClient) -> None:
    """
    What is not whole is None.
    """
    rest = threading.Semaphore(0)

    def script(conversation: Conversation) -> None:
        for at in range(len(WHOLE)):
            next_head(conversation)
            conversation.send(WHOLE[:at])
            rest.acquire(timeout=60)
            conversation.send(WHOLE[at:])
        conversation.until_gone()

    with serving(script) as peer:
        http = client(peer.url)
        for at in range(len(WHOLE)):
            one = request(http)
            assert one.receive(20) is None

            def has_come(one: KeptRequest = one, at: int = at) -> bool:
                return one.received == at or one.receive(20) is not None

            reached(has_come)
            assert one.receive(20) is None
            rest.release()
            assert json.loads(body_of(one)) == ["x" * 20]
            one.free()
        assert peer.accepted == 1
        http.close()


def test_a_request_that_is_not_sent_waits_for_nothing(client: MakeClient) -> None:
    """
    Its next step is due at once; what it waits for then ends with the read time-out.
    """
    with serving(answering()) as peer:
        one = request(client(peer.url, timeout=(20, 9)))
        assert one.interest() is None
        assert one.received == 0
        assert one.receive(20) is None
        assert one.receive(20) is None
        interest = one.interest()
        assert interest is not None
        assert interest.until == one.requested + 9
        one.free()
        one.free()


@pytest.mark.parametrize("first", ["closes", "resets"])
def test_a_connection_that_closed_while_idle_is_not_lent(client: MakeClient, first: str) -> None:
    """
    A new one is dialled in its place.
    """
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        next_head(conversation)
        conversation.send(answer(b"1"))
        gone.wait(60)
        if first == "resets":
            conversation.reset()

    with serving(script, serve) as peer:
        http = client(peer.url)
        fetch(http)
        gone.set()
        reached(lambda: request(http).may_connect())
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_a_connection_with_bytes_that_nobody_requested_is_not_lent(client: MakeClient) -> None:
    """
    They would be taken for the next answer.
    """
    with serving(answering(answer(b"1") + answer(b"2")), serve) as peer:
        http = client(peer.url)
        assert fetch(http) == 1
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def close_at(count: int, data: bytes = b"") -> Script:
    """
    Return a script that answers *count* requests, then takes another one, sends *data* and closes.
    """

    def script(conversation: Conversation) -> None:
        for _ in range(count):
            next_head(conversation)
            conversation.send(answer(b"1"))
        next_head(conversation)
        conversation.send(data)

    return script


def test_a_reused_connection_that_closes_at_once_costs_another_try(client: MakeClient) -> None:
    """
    The server closed it while the request was on its way: it is sent once more, on a new one.
    """
    with serving(close_at(1), serve) as peer:
        http = client(peer.url)
        fetch(http)
        one = request(http)
        assert not one.may_connect()
        before = time.monotonic()
        reached(lambda: one.receive(20) is None and one._kept is None)
        assert one.may_connect()
        assert one.interest() is None
        first = one.requested
        assert before <= first
        assert json.loads(body_of(one)) == "/api/v2/a"
        assert one.requested > first
        one.free()
        assert peer.accepted == 2


def test_the_other_try_takes_no_idle_connection(client: MakeClient) -> None:
    """
    It could be as stale as the first.
    """
    gate = threading.Event()

    def script(conversation: Conversation) -> None:
        gate.wait(60)
        close_at(1)(conversation)

    with serving(script, script, serve) as peer:
        http = client(peer.url)
        pair = [request(http), request(http)]
        assert [one.receive(20) for one in pair] == [None, None]
        gate.set()
        for one in pair:
            body_of(one)
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 3


def test_a_new_connection_that_closes_at_once_is_an_error(client: MakeClient) -> None:
    """
    Trying again is up to the caller.
    """
    with serving(close_at(0)) as peer:
        one = request(client(peer.url))
        with pytest.raises(TransportError, match=r"GET .*/a: the answer is incomplete"):
            body_of(one)
        assert peer.accepted == 1


@pytest.mark.parametrize("data", [b"H", WHOLE[:-1], b"nonsense\r\n\r\n"])
def test_half_an_answer_is_an_error_and_discards_the_connection(
    client: MakeClient, data: bytes
) -> None:
    """
    This holds also for a connection that was used before.
    """
    with serving(close_at(1, data), serve) as peer:
        http = client(peer.url)
        fetch(http)
        with pytest.raises(TransportError, match=r"GET .*/a\?q=1: "):
            fetch(http, "/a", ("q", "1"))
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200", WHOLE[:-1]])
def test_no_answer_in_time_discards_the_connection(client: MakeClient, part: bytes) -> None:
    """
    A late answer must not be taken for the next one's; nor is the request sent again.
    """
    with serving(answering(answer(b"1"), part), serve) as peer:
        http = client(peer.url, timeout=(20, 0.3))
        fetch(http)
        started = time.monotonic()
        with pytest.raises(RequestTimeoutError, match="no answer in time"):
            fetch(http)
        assert time.monotonic() - started < 40
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_a_refusal_keeps_the_connection(client: MakeClient) -> None:
    """
    Its body was read whole.
    """
    headers = JSON + b"Retry-After: 17\r\n"
    refused = answer(b'{"message": "later"}', b"429 Too Many Requests", headers)
    with serving(answering(refused, answer(b"2"))) as peer:
        http = client(peer.url)
        with pytest.raises(RateLimitError, match=r"GET .*/a: unexpected status code 429") as raised:
            fetch(http)
        assert raised.value.message == "later"
        assert raised.value.retry_after == 17
        assert raised.value.__context__ is None
        assert fetch(http) == 2
        assert peer.accepted == 1


@pytest.mark.parametrize(
    "refused",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nhalf",
        b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 100_000,
        answer(b"{}", b"500 No", JSON + b"Connection: close\r\n"),
    ],
)
def test_a_refusal_that_is_not_whole_discards_the_connection(
    client: MakeClient, refused: bytes
) -> None:
    """
    Too slow, too long, or the last answer of a server that closes.
    """
    with serving(answering(refused), serve) as peer:
        http = client(peer.url, timeout=(20, 0.4))
        with pytest.raises(ServerError):
            fetch(http)
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_a_refusal_that_breaks_off_is_one_all_the_same(client: MakeClient) -> None:
    """
    It has what came of its body.
    """
    data = b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nhalf"
    with serving(close_at(0, data)) as peer:
        with pytest.raises(ServerError) as raised:
            fetch(client(peer.url))
    assert raised.value.detail == "half"


def test_another_success_is_no_success(client: MakeClient) -> None:
    """
    A redirect is not followed either.
    """
    with serving(answering(b"HTTP/1.1 204 No Content\r\n\r\n", answer(b"1"))) as peer:
        http = client(peer.url)
        with pytest.raises(APIError, match="unexpected status code 204"):
            fetch(http)
        assert fetch(http) == 1
        assert peer.accepted == 1


def test_a_page_is_a_decode_error(client: MakeClient) -> None:
    """
    It may be a proxy that asks for a login; its connection is not used again.
    """
    page = answer(b"<html>", headers=b"Content-Type: text/html\r\n")
    with serving(answering(page), serve) as peer:
        http = client(peer.url)
        text = rf"^GET {peer.url}/api/v2/a: wanted application/json, found an HTML page"
        with pytest.raises(DecodeError, match=text) as raised:
            fetch(http)
        assert not raised.value.by_deployment
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_an_answer_without_a_type_may_be_json(client: MakeClient) -> None:
    """
    It is decided by whoever decodes it.
    """
    with serving(answering(answer(b"1", headers=b""))) as peer:
        assert fetch(client(peer.url)) == 1


def test_an_answer_that_is_too_large_is_refused(client: MakeClient) -> None:
    """
    While it comes; one of exactly the limit is not.
    """
    with serving(answering(answer(b"1" * 1000), answer(b"1" * 1001)), serve) as peer:
        http = client(peer.url)
        assert len(body_of(request(http))) == 1000
        with pytest.raises(MessageTooLargeError, match="more than 1000 bytes"):
            body_of(request(http))
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_a_dial_that_fails_is_an_error(client: MakeClient, full_listener: int) -> None:
    """
    It ends within its time, and its place is free again.
    """
    http = client(f"http://127.0.0.1:{full_listener}")
    for _ in range(9):
        started = time.monotonic()
        with pytest.raises(RequestTimeoutError):
            request(http).receive(0.1)
        assert time.monotonic() - started < 40
    with pytest.raises(ConfigError):
        request(client("http://127.0.0.1:9", verify="no/such.pem")).receive(5)


def test_a_header_that_cannot_be_sent_is_reported(client: MakeClient) -> None:
    """
    The error does not show it: it may be a secret.
    """
    session = requests.Session()
    session.headers["X-Bad"] = "s3cret\x00"
    with serving(serve) as peer:
        with pytest.raises(ConfigError, match="header") as raised:
            body_of(request(client(peer.url, session=session)))
        assert "s3cret" not in str(raised.value)


def test_no_more_than_the_limit_are_out(client: MakeClient) -> None:
    """
    Who comes later learns it at once, and gets the first that comes back: the one used last.
    """
    gate = threading.Event()
    with serving(serve_when(gate)) as peer:
        http = client(peer.url)
        out = [request(http, f"/{number}") for number in range(8)]
        assert all(one.may_connect() for one in out)
        assert [one.receive(20) for one in out] == [None] * 8
        late = request(http, "/late")
        assert not late.may_connect()
        assert late.receive(20) is None
        assert [late.lent_out] == [True]
        assert late.interest() is None
        last = out[5]._kept
        gate.set()
        body_of(out[3])
        body_of(out[5])
        assert last is not None
        assert not late.may_connect()
        assert http.kept.take(late) is last
        last.unclaim()
        assert json.loads(body_of(late)) == "/api/v2/late"
        assert not late.lent_out
        out[0].free()  # unfinished: discarded, and its place is free
        assert all(body_of(one) for one in out if one not in (out[0], out[3], out[5]))
        assert peer.accepted == 8


def test_requests_of_many_threads_get_their_own_answers(client: MakeClient) -> None:
    """
    They use no more connections than the limit.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        wrong: list[object] = []

        def work(number: int) -> None:
            for step in range(30):
                found = fetch(http, f"/{number}/{step}")
                if found != f"/api/v2/{number}/{step}":
                    wrong.append(found)

        threads = [InThread(lambda number=number: work(number)) for number in range(20)]  # type: ignore[misc]
        assert [thread.ended() for thread in threads] == [None] * 20
        assert wrong == []
        assert peer.accepted <= 8


def test_a_request_is_woken_at_any_moment(client: MakeClient) -> None:
    """
    Before it is sent, while its answer comes; its connection is discarded.
    """
    with serving(answering(), serve) as peer:
        http = client(peer.url)
        one = request(http)
        one.wake()
        with pytest.raises(ClosedError):
            one.receive(20)
        one = request(http)
        assert one.receive(20) is None
        reading = InThread(lambda: body_of(one))
        one.wake()
        assert isinstance(reading.ended(), ClosedError)
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_a_request_is_woken_while_it_dials(client: MakeClient, full_listener: int) -> None:
    """
    It is woken as any dial is.
    """
    one = request(client(f"http://127.0.0.1:{full_listener}"))
    dialling = InThread(lambda: one.receive(20))
    reached(lambda: one._kept is not None and one._kept.connection._waker)
    one.wake()
    assert isinstance(dialling.ended(), ClosedError)


def test_a_request_that_is_woken_as_it_begins_notices(client: MakeClient) -> None:
    """
    Who wakes it may come before there is a connection to shut down.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        one = request(http)
        take = http.kept.take

        def woken(*args: Any, **options: Any) -> Any:
            one.wake()
            return take(*args, **options)

        http.kept.take = woken  # type: ignore[method-assign]
        with pytest.raises(ClosedError):
            one.receive(20)
        http.kept.take = take  # type: ignore[method-assign]
        assert peer.accepted == 0
        assert not any(http.kept._places)


def test_an_interrupt_discards_the_connection(client: MakeClient) -> None:
    """
    This holds whatever it interrupts, even before the request knows its connection.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        fetch(http)
        one = request(http)
        take = http.kept.take

        def interrupted(*args: Any, **options: Any) -> Any:
            take(*args, **options)
            raise KeyboardInterrupt

        http.kept.take = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            one.receive(20)
        http.kept.take = take  # type: ignore[method-assign]
        assert not any(http.kept._places)
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_closing_the_client_closes_what_is_idle(client: MakeClient) -> None:
    """
    This holds whether there were kept connections or not.
    """
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        next_head(conversation)
        conversation.send(answer(b"1"))
        conversation.until_gone()
        gone.set()

    client("http://127.0.0.1:9").close()
    with serving(script) as peer:
        http = client(peer.url)
        fetch(http)
        http.close()
        assert gone.wait(60)
        assert not any(http.kept._places)


def test_a_stream_outlives_its_client(client: MakeClient) -> None:
    """
    After the client's end requests dial connections that are not kept.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        kept = http.kept
        http.close()
        for number in range(3):
            one = KeptRequest(kept, f"/{number}", max_message_size=1000)
            assert one.may_connect()
            assert json.loads(body_of(one)) == f"/api/v2/{number}"
            one.free()
        assert peer.accepted == 3
        assert not any(kept._places)


def test_kept_connections_of_a_closed_client_keep_nothing(client: MakeClient) -> None:
    """
    This holds also where they are first used after its end.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        http.close()
        assert fetch(http) == fetch(http) == "/api/v2/a"
        assert peer.accepted == 2


def test_closing_the_client_wakes_what_is_lent(client: MakeClient) -> None:
    """
    A request over a connection that was used before is sent again; the stream is not closed.
    """
    with serving(answering(answer(b"1")), serve) as peer:
        http = client(peer.url)
        fetch(http)
        one = request(http)
        assert one.receive(20) is None
        http.close()
        assert json.loads(body_of(one)) == "/api/v2/a"
        assert peer.accepted == 2


def test_closing_the_client_fails_a_request_over_a_new_connection(client: MakeClient) -> None:
    """
    It is an error of the request, not the end of the stream.
    """
    with serving(answering()) as peer:
        http = client(peer.url)
        one = request(http)
        assert one.receive(20) is None
        http.close()
        with pytest.raises(TransportError, match=r"GET .*/a: the client was closed"):
            body_of(one)
        assert not any(http.kept._places)


def test_what_comes_back_to_a_closed_client_is_closed(client: MakeClient) -> None:
    """
    It was lent when the client closed, and nobody could close it.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        fetch(http)
        (kept,) = http.kept._all()
        assert kept.claim(me := object())
        assert not kept.claim(object())
        http.kept._closed = True
        kept.unclaim()
        http.kept._discard_if_closed(kept)
        assert me
        assert not any(http.kept._places)
        assert kept.connection._socket.fileno() == -1


def test_a_connection_that_another_thread_took_first_is_left_to_it(client: MakeClient) -> None:
    """
    The other thread comes between seeing that the connection is idle and claiming it.
    """
    with serving(serve) as peer:
        http = client(peer.url)
        fetch(http)
        (kept,) = http.kept._all()
        kept.claim = lambda owner: False  # type: ignore[method-assign]
        assert fetch(http) == "/api/v2/a"
        assert peer.accepted == 2
        del kept.claim


def test_a_client_that_is_forgotten_leaves_nothing_open() -> None:
    """
    It does not warn either: it is freed with its last user, as a session's connections are.
    """
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        next_head(conversation)
        conversation.send(answer(b"1"))
        conversation.until_gone()
        gone.set()

    with serving(script) as peer:
        http: HTTP = Client(peer.url, TOKEN)._http
        fetch(http)
        kept = http.kept
        there = weakref.ref(http)
        del http
        assert there() is None
        with pytest.raises(RuntimeError, match="no longer exists"):
            _ = kept.http
        del kept
        assert gone.wait(60)


def test_the_limit_can_be_set(client: MakeClient) -> None:
    """
    One is lent to one request at a time, too.
    """
    gate = threading.Event()
    with serving(serve_when(gate)) as peer:
        http = client(peer.url)
        kept = KeptConnections(http, limit=1)
        first, second = (KeptRequest(kept, "/a", max_message_size=1000) for _ in range(2))
        assert first.receive(20) is None
        assert second.receive(20) is None
        assert second.lent_out
        gate.set()
        body_of(first)
        body_of(second)
        kept.close()
        assert peer.accepted == 1
