"""
REST calls: what goes out, what is tried again, and what an answer becomes.
"""

from __future__ import annotations

import json
import logging
import pickle
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from peer import Conversation, serving

import coder_agents
from coder_agents import (
    AgentNotConnectedError,
    APIError,
    AuthenticationError,
    BadRequestError,
    Client,
    CoderError,
    ConfigError,
    ConflictError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    UnsupportedCallError,
)
from coder_agents.transport import is_gone, quoted

URL = "https://coder.example.com"
API = f"{URL}/api/v2"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
ME = {"id": "a397ee51-1761-4c97-b4b2-e5a53b582592", "username": "me"}


@pytest.fixture
def client() -> Client:
    """
    A client that tries once.
    """
    return Client(URL, TOKEN, retries=0)


def answer(head: bytes, body: bytes = b"") -> Callable[[Conversation], None]:
    """
    Return a script that answers every request alike and closes.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (head, len(body), body)
        )

    return script


def hang_up(conversation: Conversation) -> None:
    """
    Read the request and leave without a word.
    """
    conversation.read_head()


@responses.activate
def test_a_call_carries_the_token_the_headers_and_nothing_else(client: Client) -> None:
    """
    The token is a header, under a prefix too; the user agent and accept header are ours.
    """
    responses.get(f"{URL}/prefix/api/v2/users/me", json=ME)
    with Client(URL + "/prefix/", TOKEN, headers={"X-Gate": "open"}, user_agent="me/1") as client:
        assert client.me().username == "me"
    sent = responses.calls[0].request.headers
    assert sent["Coder-Session-Token"] == TOKEN
    assert sent["X-Gate"] == "open"
    assert sent["User-Agent"] == "me/1"
    assert sent["Accept"] == "application/json"
    assert "Cookie" not in sent
    assert "Authorization" not in sent


@responses.activate
def test_the_default_user_agent_names_this_package(client: Client) -> None:
    """
    A deployment's logs can tell who calls.
    """
    responses.get(f"{API}/users/me", json=ME)
    client.me()
    sent = responses.calls[0].request.headers
    assert sent["User-Agent"] == f"coder-agents/{coder_agents.__version__}"


def test_no_cookie_is_kept_and_no_netrc_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What a server sets as a cookie, and what ~/.netrc holds, is never sent.
    """
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    body = json.dumps(ME).encode()
    with serving(answer(b"200 OK\r\nSet-Cookie: csrf_token=x; Path=/", body)) as peer:
        with Client(peer.url, TOKEN) as client:
            client.me()
            client.me()
            assert len(client._http.session.cookies) == 0
        assert all(b"ookie" not in head and b"uthorization" not in head for head in peer.heads)


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "no"}, BadRequestError),
        (
            400,
            {"message": 'Agent state is "timeout", it must be in the "connected" state.'},
            AgentNotConnectedError,
        ),
        (401, {"message": "no"}, AuthenticationError),
        (403, {"message": "no"}, PermissionDeniedError),
        (404, {"message": "no"}, NotFoundError),
        (404, {"message": "Route not found."}, UnsupportedCallError),
        (409, {"message": "no"}, ConflictError),
        (429, {"message": "no"}, RateLimitError),
        (500, {"message": "no"}, ServerError),
        (599, {"message": "no"}, ServerError),
        (418, {"message": "no"}, APIError),
        (202, {"message": "no"}, APIError),
    ],
)
def test_each_status_has_its_class(
    client: Client, status: int, body: dict[str, str], kind: type[APIError]
) -> None:
    """
    The class tells what went wrong; all are HTTPError and CoderError.
    """
    responses.get(f"{API}/users/me", json=body, status=status)
    with pytest.raises(APIError) as raised:
        client.me()
    error = raised.value
    assert type(error) is kind
    assert isinstance(error, requests.HTTPError)
    assert isinstance(error, CoderError)
    assert (error.status_code, error.method, error.url) == (status, "GET", f"{API}/users/me")
    assert error.message == body["message"]
    assert error.response is not None
    assert error.response.status_code == status


@responses.activate
def test_an_errors_text_is_that_of_the_go_client(client: Client) -> None:
    """
    One line for the message, one for the detail, one for each validation.
    """
    told = {
        "message": "Bad\x1b[2J thing",
        "detail": "more of it",
        "validations": [{"field": "after", "detail": "Must be a number"}],
    }
    responses.get(f"{API}/users/me", json=told, status=400)
    responses.get(f"{API}/buildinfo", json={"message": "Who?"}, status=401)
    with pytest.raises(BadRequestError) as raised:
        client.me()
    assert str(raised.value) == (
        f"GET {API}/users/me: unexpected status code 400: Bad\\x1b[2J thing\n"
        "\tError: more of it\n"
        "\tafter: Must be a number"
    )
    assert raised.value.validations == (("after", "Must be a number"),)
    assert raised.value.detail == "more of it"
    with pytest.raises(AuthenticationError) as denied:
        client.build_info()
    assert str(denied.value) == (
        f"GET {API}/buildinfo: unexpected status code 401: Who?:"
        " Try logging in using 'coder login'."
    )


@responses.activate
@pytest.mark.parametrize(
    ("kind", "body", "message", "detail"),
    [
        (
            "text/html; charset=utf-8",
            "<html>" + "x" * 3000,
            'unexpected non-JSON response "text/html"',
            "<html>" + "x" * 2042 + "...",
        ),
        ("text/plain", "short", 'unexpected non-JSON response "text/plain"', "short"),
        ("application/json", "", "empty response body", ""),
        ("application/json", '{"other": 1}', "no message", '{"other": 1}'),
    ],
)
def test_a_body_that_is_not_coders_is_shown_cut(
    client: Client, kind: str, body: str, message: str, detail: str
) -> None:
    """
    A proxy's page is told by its type and its first 2,048 characters.
    """
    responses.get(f"{API}/users/me", body=body, status=502, content_type=kind)
    with pytest.raises(ServerError) as raised:
        client.me()
    assert (raised.value.message, raised.value.detail) == (message, detail)


@responses.activate
def test_an_error_body_of_broken_json_says_so(client: Client) -> None:
    """
    The error is still an APIError of the right class.
    """
    responses.get(f"{API}/users/me", body="{", status=403, content_type="application/json")
    with pytest.raises(PermissionDeniedError, match="the response cannot be read"):
        client.me()


@responses.activate
@pytest.mark.parametrize(
    ("value", "seconds"), [("17", 17.0), ("soon", None), (None, None)], ids=str
)
def test_retry_after_is_in_seconds(
    client: Client, value: str | None, seconds: float | None
) -> None:
    """
    What the deployment asks to wait hangs on the error, None where it says nothing.
    """
    headers = {} if value is None else {"Retry-After": value}
    responses.get(f"{API}/users/me", json={"message": "no"}, status=409, headers=headers)
    with pytest.raises(ConflictError) as raised:
        client.me()
    assert raised.value.retry_after == seconds


@responses.activate
def test_success_with_something_else_in_it_is_a_decode_error(client: Client) -> None:
    """
    A captive portal's page is no user.
    """
    responses.get(f"{API}/users/me", body="<html>", content_type="text/html")
    with pytest.raises(DecodeError):
        client.me()


def _unavailable(head: bytes) -> Callable[[Conversation], None]:
    return answer(head + b"\r\nContent-Type: application/json", b'{"message": "later"}')


@pytest.mark.parametrize(
    "script",
    [
        _unavailable(b"502 Bad Gateway"),
        _unavailable(b"503 Service Unavailable"),
        _unavailable(b"504 Gateway Timeout"),
        _unavailable(b"429 Too Many Requests\r\nRetry-After: 0"),
        hang_up,
    ],
)
def test_a_get_is_tried_again(script: Callable[[Conversation], None]) -> None:
    """
    502, 503, 504, 429 with Retry-After and a lost connection: up to *retries* times.
    """
    good = answer(b"200 OK\r\nContent-Type: application/json", json.dumps(ME).encode())
    with serving(script, script, good) as peer:
        with Client(peer.url, TOKEN, retries=2) as client:
            assert client.me().username == "me"
        assert peer.accepted == 3


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (_unavailable(b"429 Too Many Requests"), RateLimitError),
        (_unavailable(b"500 Internal Server Error"), ServerError),
    ],
)
def test_what_would_not_help_is_not_tried_again(
    script: Callable[[Conversation], None], kind: type[APIError]
) -> None:
    """
    500, and 429 that does not say when, are raised at once.
    """
    with serving(script) as peer, Client(peer.url, TOKEN) as client:
        with pytest.raises(kind):
            client.me()
        assert peer.accepted == 1


@pytest.mark.parametrize("script", [_unavailable(b"503 Service Unavailable"), hang_up])
def test_after_the_last_try_the_last_answer_is_raised(
    script: Callable[[Conversation], None],
) -> None:
    """
    It has its body: raising on the status inside urllib3 would lose it.
    """
    with serving(script) as peer, Client(peer.url, TOKEN, retries=1) as client:
        with pytest.raises((ServerError, TransportError)) as raised:
            client.me()
        assert peer.accepted == 2
        if isinstance(raised.value, ServerError):
            assert raised.value.message == "later"


@pytest.mark.parametrize("script", [_unavailable(b"503 Service Unavailable"), hang_up])
def test_only_a_get_is_tried_again(script: Callable[[Conversation], None]) -> None:
    """
    A POST may have had its effect.
    """
    with serving(script) as peer, Client(peer.url, TOKEN) as client:
        with pytest.raises((ServerError, TransportError)):
            client._http.call("POST", "/users/me", body="{}")
        assert peer.accepted == 1


def test_a_post_that_found_no_connection_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    urllib3 by itself would try any method again here.
    """
    with serving(hang_up) as peer:
        pass
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    with Client(peer.url, TOKEN) as client:
        with pytest.raises(TransportError, match="refused") as raised:
            client._http.call("POST", "/users/me")
        assert type(raised.value) is TransportError
        assert waits == []
        with pytest.raises(TransportError, match="refused"):
            client.me()
        assert len(waits) > 0


@pytest.mark.parametrize("asked", [b"3600", b"2"])
def test_a_longer_wait_than_the_timeout_is_not_waited(asked: bytes) -> None:
    """
    A deployment that asks for more time than the caller gave is reported at once.
    """
    script = _unavailable(b"503 Service Unavailable\r\nRetry-After: " + asked)
    with serving(script) as peer, Client(peer.url, TOKEN, timeout=1) as client:
        started = time.monotonic()
        with pytest.raises(ServerError) as raised:
            client.me()
        assert raised.value.retry_after == float(asked)
        assert peer.accepted == 1
        assert time.monotonic() - started < 40


def test_lost_connections_are_not_tried_beyond_the_timeout() -> None:
    """
    The pauses between tries count against the caller's time-out, too.
    """
    with serving(hang_up) as peer, Client(peer.url, TOKEN, timeout=0.5, retries=50) as client:
        with pytest.raises(TransportError):
            client.me()
        assert peer.accepted < 10


def test_no_answer_in_time_is_a_timeout() -> None:
    """
    It is also Python's own TimeoutError.
    """
    with serving(lambda conversation: conversation.stop.wait(60)) as peer:
        with Client(peer.url, TOKEN, timeout=(5, 0.2), retries=0) as client:
            with pytest.raises(RequestTimeoutError) as raised:
                client.me()
            assert isinstance(raised.value, TimeoutError)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("verify", "no/such.pem"), ("cert", "no/such.pem"), ("cert", (__file__, "no/such.pem"))],
)
def test_a_tls_file_that_is_not_there_is_a_config_error(setting: str, value: Any) -> None:
    """
    The file is named, before anything is sent.
    """
    client = Client(URL, TOKEN, **{setting: value})
    with pytest.raises(ConfigError, match=rf"{setting} names a file .* no/such\.pem"):
        client.me()


def test_a_host_that_cannot_be_is_a_config_error() -> None:
    """
    A host that requests refuses is told as a setting.
    """
    client = Client("https://.example.com", TOKEN, retries=0)
    with pytest.raises(ConfigError):
        client.me()


def test_a_closed_client_says_so(client: Client) -> None:
    """
    It does not silently open new connections.
    """
    with client:
        pass
    with pytest.raises(RuntimeError, match="client is closed"):
        client.me()


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (404, '{"message": "no"}', True),
        (410, '{"message": "no"}', True),
        (404, '{"message": "Route not found."}', False),
        (404, "<html>", False),
        (500, '{"message": "no"}', False),
    ],
)
def test_only_the_deployment_itself_says_that_something_is_gone(
    client: Client, status: int, body: str, gone: bool
) -> None:
    """
    A page of something in between does not, nor a call that the release does not have.
    """
    responses.get(f"{API}/users/me", body=body, status=status, content_type="application/json")
    with pytest.raises(APIError) as raised:
        client.me()
    assert is_gone(raised.value) is gone
    assert not is_gone(ValueError())


def test_a_path_is_quoted_segment_by_segment() -> None:
    """
    A name with a slash stays one segment.
    """
    assert quoted("a", 1, "b/c d") == "/a/1/b%2Fc%20d"


def test_what_calls_shows_the_deployment_and_nothing_else(client: Client) -> None:
    """
    The token is in no repr.
    """
    assert repr(client._http) == f"<HTTP {URL}>"


def _everything_of(error: BaseException) -> str:
    seen: list[BaseException] = []
    found = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        todo += [one.__cause__, one.__context__]
        found += [repr(one), str(one), repr(one.args), repr(vars(one))]
        found += traceback.format_exception(one)
        request = getattr(one, "request", None)
        response = getattr(one, "response", None)
        for part in (request, response, getattr(response, "request", None)):
            if part is not None:
                found += [repr(vars(part)), repr(dict(part.headers))]
        if response is not None:
            found += [response.text]
    return "\n".join(found)


@responses.activate
@pytest.mark.parametrize("status", [307, 400, 401, 403, 404, 409, 429, 500])
def test_the_token_hangs_on_no_api_error(client: Client, status: int) -> None:
    """
    It is not in the text, the request, the response, its request, the cause or the context, even
    where the server shows the request it was sent.
    """
    responses.get(
        f"{API}/users/me",
        json={"message": f"you sent {TOKEN}", "detail": TOKEN},
        status=status,
        headers={"X-Echo": TOKEN, "Location": "https://other.example.com/"},
    )
    with pytest.raises(APIError) as raised:
        client.me()
    assert TOKEN not in _everything_of(raised.value)
    assert raised.value.request is not None
    assert raised.value.request.method == "GET"


def test_the_token_hangs_on_no_transport_error(caplog: pytest.LogCaptureFixture) -> None:
    """
    requests' own exceptions hold the request; ours do not hold them. Nor does any log
    record, at any level, of any library.
    """
    caplog.set_level(logging.NOTSET)
    with serving(hang_up) as peer, Client(peer.url, TOKEN, retries=0) as client:
        with pytest.raises(TransportError) as raised:
            client.me()
    assert TOKEN not in _everything_of(raised.value)
    assert raised.value.__context__ is None
    assert TOKEN not in caplog.text
    assert TOKEN not in repr([vars(record) for record in caplog.records])


@responses.activate
def test_requests_are_logged_at_debug_level(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Method, URL, status and time; never the token.
    """
    caplog.set_level(logging.DEBUG, logger="coder_agents")
    responses.get(f"{API}/users/me", json=ME)
    client.me()
    record = next(r for r in caplog.records if r.name == "coder_agents")
    assert record.levelno == logging.DEBUG
    assert record.getMessage().startswith(f"GET {API}/users/me: 200 in ")
    assert TOKEN not in caplog.text


@responses.activate
def test_errors_survive_pickling(client: Client) -> None:
    """
    A worker process can hand them to its parent.
    """
    responses.get(f"{API}/users/me", json={"message": "no"}, status=404)
    with pytest.raises(NotFoundError) as raised:
        client.me()
    copy = pickle.loads(pickle.dumps(raised.value))
    assert type(copy) is NotFoundError
    assert (str(copy), copy.status_code) == (str(raised.value), 404)
    assert copy.response.status_code == 404
