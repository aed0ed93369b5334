"""
Pages that are not Coder's: what arrived, from where, and the likely cause.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import responses
from driving import open_source
from peer import Conversation, serving

from coder_agents import APIError, Client, CoderError, DecodeError, NotFoundError
from coder_agents.transport import DocumentSource, HTTPSource, SSESource, WebSocketSource

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMITS: dict[str, Any] = {"idle_timeout": 30.0, "max_message_size": 1000}
LOGIN = "looks like a login page"
PREFIX = "without it the URL is https://coder.example.com$"
NO_PREFIX = "behind a path prefix, such as https://coder.example.com/coder, or on another host$"

PASSWORD = '<html><form><input name=p TYPE="password"></form>'
DASHBOARD = '<html><head><meta name="application-name" content="Coder" /><title>Dev</title>'

CAUSES = [
    ("", "<title>Sign in &amp; go</title>", f"titled 'Sign in & go': it {LOGIN}"),
    ("", "<TITLE lang=en>\n ACME\n SSO </TITLE>", f"an HTML page titled 'ACME SSO': it {LOGIN}"),
    ("", "<title>Log in to ACME</title>", LOGIN),
    ("", PASSWORD, f"an HTML page: it {LOGIN}"),
    ("", "<title>Who?</title><meta content='coder' name='application-name'>", "dashboard"),
    ("/workspaces/x", DASHBOARD, f"it is Coder's dashboard, not its API; .*{PREFIX}"),
    ("", "<title>Coder</title>", f"it is Coder's dashboard, not its API; .*{NO_PREFIX}"),
    ("/wrong", "<title>Welcome</title>", f"'Welcome': no Coder deployment .* /wrong .*{PREFIX}"),
    ("", "<title>Authors</title>", f"'Authors': no Coder deployment .*{NO_PREFIX}"),
    ("", "", f"found an empty page: no Coder deployment .*{NO_PREFIX}"),
]


@responses.activate
@pytest.mark.parametrize(("prefix", "body", "text"), CAUSES)
def test_a_page_with_the_status_of_success_is_reported_as_what_it_is(
    prefix: str, body: str, text: str
) -> None:
    """
    With the method, the URL, the page's title and the likely cause.
    """
    url = f"{URL}{prefix}/api/v2/users/me"
    responses.get(url, body=body, content_type="text/html; charset=utf-8")
    with Client(URL + prefix, TOKEN, retries=0) as client:
        with pytest.raises(DecodeError, match=text) as raised:
            client.me()
    error = raised.value
    assert str(error).startswith(f"GET {url}: wanted application/json, found ")
    assert (error.method, error.url, error.by_deployment) == ("GET", url, False)
    assert (error.wanted, error.found) == ("application/json", "text/html; charset=utf-8")


HOSTILE = {
    "inputs": "<input",
    "names": "<meta name=application-name ",
    "attributes": "name=application-name content=",
    "titles": "<title>",
    "spaces": " ",
    "types": "type ",
    "entities": "&amp;",
    "words": "log sign ",
}


@responses.activate
@pytest.mark.parametrize("before", ["", "<title>", "<title ", "<meta ", "<input "])
@pytest.mark.parametrize("repeated", HOSTILE)
def test_a_page_of_any_form_is_described_in_little_time(before: str, repeated: str) -> None:
    """
    The time does not grow with the square of the page, which would be hours for these.
    """
    body = "<html>" + before + HOSTILE[repeated] * (300_000 // len(HOSTILE[repeated]))
    responses.get(f"{URL}/api/v2/users/me", body=body, content_type="text/html")
    with Client(URL, TOKEN, retries=0) as client, pytest.raises(DecodeError, match="an HTML page"):
        client.me()


@responses.activate
@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", "OK", "found text/plain: no Coder deployment answers at this URL"),
        ("", "\n<!doctype html><title>Hi</title>", "an HTML page titled 'Hi': no Coder deployment"),
        ("text/html", f"<title>{'x' * 99}</title>", "titled 'x{77}...'"),
        ("text/html", f"<title>{TOKEN}\x1b</title>", r"titled '\[token\]\\x1b'"),
    ],
)
def test_what_a_page_says_is_shown_safely(kind: str, body: str, text: str) -> None:
    """
    Cut, escaped and without the token, whatever its type says.
    """
    responses.get(f"{URL}/api/v2/users/me", body=body, content_type=kind)
    with Client(URL, TOKEN, retries=0) as client, pytest.raises(DecodeError, match=text) as raised:
        client.me()
    assert TOKEN not in str(raised.value)


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (403, "<title>Sign in</title>", f"It is an HTML page titled 'Sign in': it {LOGIN}"),
        (
            404,
            "<title>Not here</title>",
            "It is an HTML page titled 'Not here': no Coder deployment",
        ),
        (502, "<title>Bad gateway</title>", "It is an HTML page titled 'Bad gateway'$"),
    ],
)
def test_a_page_with_another_status_is_reported_as_what_it_is(
    status: int, body: str, text: str
) -> None:
    """
    The error names the title and the likely cause, and has the source as its detail.
    """
    responses.get(f"{URL}/api/v2/users/me", body=body, content_type="text/html", status=status)
    with Client(URL, TOKEN, retries=0) as client, pytest.raises(APIError, match=text) as raised:
        client.me()
    assert raised.value.detail == body
    assert body not in str(raised.value)
    assert not raised.value.by_deployment


@responses.activate
def test_the_line_break_at_the_end_of_a_detail_is_not_shown() -> None:
    """
    Text that is no HTML is the detail as it came, and the error shows it in one line.
    """
    body = "404 page\nnot found\n"
    responses.get(f"{URL}/api/v2/users/me", body=body, content_type="text/plain", status=404)
    with Client(URL, TOKEN, retries=0) as client, pytest.raises(NotFoundError) as raised:
        client.me()
    assert raised.value.detail == body
    assert str(raised.value).endswith("\n\tError: 404 page\\x0anot found")


@responses.activate
def test_a_page_of_somebody_else_does_not_advise_to_log_in_with_coder() -> None:
    """
    Only the deployment's own 401 does.
    """
    responses.get(f"{URL}/api/v2/users/me", body="<html>", content_type="text/html", status=401)
    with Client(URL, TOKEN, retries=0) as client, pytest.raises(APIError) as raised:
        client.me()
    assert "coder login" not in str(raised.value)


PATH = "/api/v2/users/me"
SAFE = [
    (URL, f"https://real.example.com{PATH}", "https://real.example.com"),
    (f"{URL}/p", f"https://real.example.com/p{PATH}", "https://real.example.com/p"),
    (URL, f"//real.example.com:8443{PATH}?x=1", "https://real.example.com:8443"),
    ("http://coder.example.com", f"{URL}{PATH}", URL),
    ("http://coder.example.com", f"http://real.example.com{PATH}", "http://real.example.com"),
]


@responses.activate
@pytest.mark.parametrize(("url", "location", "use"), SAFE)
def test_a_redirect_to_the_same_path_elsewhere_recommends_a_url(
    url: str, location: str, use: str
) -> None:
    """
    It is the only one that does; none is followed.
    """
    responses.get(url + PATH, status=307, headers={"Location": location})
    with Client(url, TOKEN) as client:
        with pytest.raises(APIError, match=f"use {use} as the deployment's URL$") as raised:
            client.me()
    assert not raised.value.by_deployment
    assert len(responses.calls) == 1


UNSAFE = [
    ("https://real.example.com/", "or the redirect leads to a login page"),
    ("https://real.example.com/dashboard", "or the redirect leads to a login page"),
    ("https://real.example.com/elsewhere/api/v2/users/me", "or the redirect leads to a login page"),
    ("https://someone:secret@real.example.com/api/v2/users/me", "leads to a login page"),
    ("http://coder.example.com/api/v2/users/me", "or the redirect leads to a login page"),
    ("ftp://real.example.com/api/v2/users/me", "or the redirect leads to a login page"),
    ("/api/v2/users/me", "or the redirect leads to a login page"),
    ("https://CODER.example.com/api/v2/users/me", "or the redirect leads to a login page"),
    ("https://idp.example.com/realms/x", LOGIN),
    ("https://example.com/oauth2/authorize?state=secret", LOGIN),
    ("/login", LOGIN),
    ("https://team.cloudflareaccess.com/cdn-cgi/access/login/coder.example.com", LOGIN),
]


@responses.activate
@pytest.mark.parametrize(("location", "text"), UNSAFE)
def test_no_other_redirect_recommends_a_url(location: str, text: str) -> None:
    """
    It may lead to a login page, to which the token must not go.
    """
    responses.get(f"{URL}{PATH}", status=302, headers={"Location": location})
    with Client(URL, TOKEN, retries=0) as client, pytest.raises(CoderError, match=text) as raised:
        client.me()
    assert "as the deployment's URL" not in str(raised.value)
    assert "secret" not in str(raised.value)


def source(kind: type[HTTPSource[Any]], url: str) -> HTTPSource[Any]:
    """
    Return an unopened source.
    """
    return kind(Client(url, TOKEN)._http, "/stream", **LIMITS)


def answering(head: bytes, body: bytes = b"", *, length: int | None = None) -> Any:
    """
    Return a script that answers and leaves the connection open.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        size = len(body) if length is None else length
        conversation.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head, size, body))
        conversation.until_gone()

    return script


HTML = b"200 OK\r\nContent-Type: text/html"
PAGE = b"<title>Sign in</title>"


@pytest.mark.parametrize(
    ("kind", "error"),
    [(SSESource, DecodeError), (DocumentSource, DecodeError), (WebSocketSource, APIError)],
)
@pytest.mark.parametrize("length", [None, 99], ids=["whole", "without an end"])
def test_a_page_in_place_of_a_stream_is_reported_as_what_it_is(
    kind: type[HTTPSource[Any]], error: type[CoderError], length: int | None
) -> None:
    """
    With its URL, its title and the likely cause, also where its end does not come.
    """
    with serving(answering(HTML, PAGE, length=length)) as peer:
        with pytest.raises(error, match=f"an HTML page titled 'Sign in': it {LOGIN}") as raised:
            open_source(source(kind, peer.url))
    assert str(raised.value).startswith(f"GET {peer.url}/api/v2/stream: ")
    assert not raised.value.by_deployment  # type: ignore[attr-defined]


@pytest.mark.parametrize("location", [b"https://[bad", b"https://real.example.com:port/"])
def test_a_redirect_to_what_is_no_url_says_so(location: bytes) -> None:
    """
    It is reported as an answer, and no URL is recommended.
    """
    with serving(answering(b"302 Found\r\nLocation: " + location)) as peer:
        with pytest.raises(APIError, match=r"redirected to an invalid URL$"):
            open_source(source(SSESource, peer.url))


BLOCKED = "blocks WebSockets; calls without a WebSocket still work there: agent.logs()"
JSON = b"\r\nContent-Type: application/json"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"426 Upgrade Required\r\nContent-Type: text/plain", b"WebSocket protocol violation"),
        (HTML, b"<html>"),
        (b"200 OK" + JSON, b"[]"),
        (b"204 No", b""),
    ],
)
def test_a_handshake_that_is_answered_as_a_plain_request_says_so(head: bytes, body: bytes) -> None:
    """
    A proxy removed what makes it a handshake; the error names what still works.
    """
    with serving(answering(head, body)) as peer:
        with pytest.raises(APIError) as raised:
            open_source(source(WebSocketSource, peer.url))
    assert "was answered as a plain request" in str(raised.value)
    assert BLOCKED in str(raised.value)


@pytest.mark.parametrize(
    ("head", "body", "advises"),
    [
        (b"403 Forbidden\r\nContent-Type: text/html", b"<html>", True),
        (b"400 Bad Request\r\nContent-Type: text/plain", b"no", True),
        (b"403 Forbidden" + JSON, b'{"message": "no"}', False),
        (b"404 Not Found\r\nContent-Type: text/html", b"<html>", False),
        (b"502 Bad Gateway\r\nContent-Type: text/html", b"<html>", False),
    ],
)
def test_a_handshake_that_a_proxy_refuses_may_be_blocked(
    head: bytes, body: bytes, advises: bool
) -> None:
    """
    What the deployment itself answers has another reason.
    """
    with serving(answering(head, body)) as peer:
        with pytest.raises(APIError) as raised:
            open_source(source(WebSocketSource, peer.url))
    assert ("A network that blocks WebSockets may behave like this" in str(raised.value)) is advises


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden"])
@pytest.mark.parametrize(("page", "cause"), [(PAGE, LOGIN), (DASHBOARD.encode(), "dashboard")])
def test_a_page_that_comes_in_place_of_any_answer_is_not_taken_for_blocked_websockets(
    status: bytes, page: bytes, cause: str
) -> None:
    """
    The login page is the cause, and nothing else of the deployment works there either.
    """
    with serving(answering(status + b"\r\nContent-Type: text/html", page)) as peer:
        with pytest.raises(APIError, match=cause) as raised:
            open_source(source(WebSocketSource, peer.url))
    assert "WebSocket" not in str(raised.value)


def wrong_key(conversation: Conversation) -> None:
    """
    Switch protocols, but with the answer to another handshake.
    """
    conversation.read_head()
    conversation.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(b"other") + b"\r\n\r\n"
    )


def silence(conversation: Conversation) -> None:
    """
    Read the handshake, and answer nothing.
    """
    conversation.read_head()
    conversation.until_gone()


@pytest.mark.parametrize("script", [wrong_key, silence, Conversation.read_head])
def test_a_handshake_that_gets_no_answer_may_be_blocked(
    script: Callable[[Conversation], object],
) -> None:
    """
    The error says so, and names what still works; other streams have no such text.
    """
    with serving(script) as peer:
        http = Client(peer.url, TOKEN, timeout=(20, 0.3))._http
        with pytest.raises(CoderError, match="a network that blocks WebSockets behaves like this"):
            open_source(WebSocketSource(http, "/stream", **LIMITS))
        with pytest.raises(CoderError) as other:
            open_source(SSESource(http, "/stream", **LIMITS))
    assert "WebSocket" not in str(other.value)


def test_a_handshake_that_cannot_be_sent_is_not_blocked() -> None:
    """
    Where nobody listens, WebSockets are not the reason.
    """
    with serving(silence) as peer:
        pass
    with pytest.raises(CoderError, match="refused") as raised:
        source(WebSocketSource, peer.url).send_request(20)
    assert "WebSocket" not in str(raised.value)


@responses.activate
def test_an_answer_that_is_not_of_the_type_names_its_request() -> None:
    """
    A value of another type in the deployment's own JSON is reported with the method and the URL.
    """
    responses.get(f"{URL}{PATH}", json={"id": 7, "username": "me"})
    responses.get(f"{URL}/api/v2/buildinfo", json={"message": "no"}, status=404)
    with Client(URL, TOKEN, retries=0) as client:
        with pytest.raises(DecodeError, match=rf"^GET {URL}{PATH}: \$\.id: wanted") as raised:
            client.me()
        with pytest.raises(NotFoundError):
            client.build_info()
    error = raised.value
    assert (error.method, error.url, error.path) == ("GET", f"{URL}{PATH}", "$.id")
    assert (error.wanted, error.found, error.by_deployment) == ("a UUID", "7", True)
    assert error.__context__ is None
