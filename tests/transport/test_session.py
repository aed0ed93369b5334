"""
The session that requests go through: the client's own, or one that a user hands in.
"""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import requests.auth
from peer import Conversation, serving

from coder_agents import Agent, Client, CoderError, ConfigError, StreamOptions
from coder_agents.testing import Deployment

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
BODY = b'{"id": "a397ee51-1761-4c97-b4b2-e5a53b582592", "username": "me"}'
THREADS = 32


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """
    A session as an old code base has one: with a cookie, a header, authentication and a hook.
    """
    with requests.Session() as made:
        made.headers["X-Theirs"] = "1"
        made.auth = ("user", "password")
        made.cookies.set("theirs", "1")
        yield made


def content_of(session: requests.Session) -> Any:
    """
    All that a session holds, as plain values.
    """
    state = {name: getattr(session, name) for name in session.__attrs__ if name != "cookies"}
    cookies = [repr(cookie) for cookie in session.cookies]
    return copy.copy(state), cookies, dict(session.headers), dict(session.adapters)


def test_an_own_session_is_used_as_it_is_and_left_alone(session: requests.Session) -> None:
    """
    Its headers, cookies and authentication are used; it is neither changed nor closed.
    """
    closed: list[bool] = []
    session.close = lambda: closed.append(True)  # type: ignore[method-assign]
    before = content_of(session)
    with Deployment() as deployment:
        with deployment.client(session=session) as client:
            assert client.me().username == client.me().username == "tester"
        sent = deployment.requests[-1].headers
    assert sent["x-theirs"] == "1"
    assert sent["authorization"].startswith("Basic ")
    assert sent["cookie"] == "theirs=1"
    assert sent["coder-session-token"] == deployment.token
    assert content_of(session) == before
    assert closed == []
    del session.close


def test_the_cookies_of_an_own_session_stay_as_they_are(session: requests.Session) -> None:
    """
    No cookie that a deployment sets gets into the session's jar, through calls, errors, streams and checks alike.
    """
    before = content_of(session)
    with Deployment() as deployment:
        agent = deployment.add_agent()
        agent.push_logs(["one", "two"])
        options = StreamOptions(settle=0.1)
        with deployment.client(session=session, stream_options=options) as client:
            found = client.agent(agent.id)
            with pytest.raises(CoderError):
                client.agent("absent")
            with found.follow_logs() as stream:
                assert [next(stream).output, next(stream).output] == ["one", "two"]
                while not stream.stats.checks:
                    assert stream.poll(0.05) is None
            assert found.metadata() == []
            found.containers()
    assert content_of(session) == before


def test_an_authentication_in_two_steps_stores_no_cookie(session: requests.Session) -> None:
    """
    The first answer of a digest authentication, which the second replaces, sets no cookie either.
    """
    cookie = b"Set-Cookie: theirs=2; Path=/\r\nContent-Type: application/json\r\n"

    def script(conversation: Conversation) -> None:
        while True:
            conversation.head = b""
            head = conversation.read_head()
            status = b"200 OK" if b"Authorization: Digest" in head else b"401 Unauthorized"
            challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
            conversation.send(
                b"HTTP/1.1 %b\r\n%b%bContent-Length: %d\r\n\r\n%b"
                % (status, challenge, cookie, len(BODY), BODY)
            )

    session.auth = requests.auth.HTTPDigestAuth("user", "password")
    before = [repr(each) for each in session.cookies]
    with serving(script) as peer:
        with Client(peer.url, TOKEN, session=session) as client:
            assert client.me().username == "me"
        session.close()
    assert [repr(each) for each in session.cookies] == before


@pytest.mark.parametrize("several", [False, True])
def test_the_hooks_of_an_own_session_are_called(session: requests.Session, several: bool) -> None:
    """
    A session's hooks, one or a list of them, get each answer before it is taken apart.
    """
    seen: list[str] = []

    def hook(response: requests.Response, **_: Any) -> None:
        seen.append(response.headers["Set-Cookie"])

    session.hooks["response"] = [hook, hook] if several else hook
    with Deployment() as deployment, deployment.client(session=session) as client:
        client.me()
    assert len(seen) == 1 + several


@pytest.mark.parametrize(
    "settings",
    [
        {"verify": False},
        {"verify": True},
        {"verify": "ca.pem"},
        {"cert": "c.pem"},
        {"proxies": {"http": "http://p"}},
        {"proxies": {}},
        {"retries": 0},
        {"retries": 3},
        {"retries": 5, "verify": False},
    ],
)
def test_what_an_own_session_has_is_not_set_beside_it(settings: dict[str, Any]) -> None:
    """
    Retries, TLS and proxies are the session's: giving one of them beside it is refused by name.
    """
    named = " and ".join(settings)
    with pytest.raises(ConfigError, match=f"{named} cannot be given beside session=: set them on"):
        Client(URL, TOKEN, session=requests.Session(), **settings)


def test_a_user_agent_and_headers_are_sent_through_an_own_session(
    session: requests.Session,
) -> None:
    """
    The user agent and the headers of the client are sent with calls and streams, over those of the session.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        agent.push_logs("one")
        with deployment.client(
            session=session, user_agent="me/1", headers={"X-Theirs": "2"}
        ) as client:
            with client.agent(agent.id).follow_logs() as stream:
                next(stream)
        sent = [
            (each.headers["user-agent"], each.headers["x-theirs"]) for each in deployment.requests
        ]
        assert sent == [("me/1", "2")] * 2
    assert session.headers["X-Theirs"] == "1"
    assert str(session.headers["User-Agent"]).startswith("python-requests/")


def test_many_threads_share_a_client_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """
    A client that 32 threads use at the same time keeps a connection for each of them, and logs no warning.
    """
    everyone = threading.Barrier(THREADS)

    def script(conversation: Conversation) -> None:
        for _ in range(2):
            conversation.head = b""
            conversation.read_head()
            everyone.wait(60)
            conversation.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
            )

    caplog.set_level(logging.DEBUG)
    with serving(script) as peer, Client(peer.url, TOKEN, retries=0) as client:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in range(2):
                found = list(pool.map(lambda _: client.me().username, range(THREADS)))
                assert found == ["me"] * THREADS
        assert peer.accepted == THREADS
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("handed_in", [False, True])
def test_a_client_and_an_agent_can_be_pickled_and_copied(handed_in: bool) -> None:
    """
    A copy has the settings, the token among them, and connections of its own; so has its agent.
    """
    with Deployment() as deployment, requests.Session() as session:
        agent = deployment.add_agent()
        agent.push_logs("one")
        options: dict[str, Any] = {"session": session} if handed_in else {"retries": 7}
        with deployment.client(stream_options=StreamOptions(settle=0.1), **options) as client:
            found = client.agent(agent.id)
            with found.follow_logs() as stream:
                assert next(stream).output == "one"
                while not stream.stats.checks:  # from then on the client keeps a connection
                    stream.poll(0.05)
            pickled = pickle.dumps((client, found))
            assert deployment.token.encode() in pickled
            again: list[tuple[Client, Agent]] = [pickle.loads(pickled)]
            again += [copy.deepcopy((client, found)), (copy.copy(client), copy.copy(found))]
        for one, other in again[:2]:
            assert one._http is other._http
            assert one._http.settings == client._http.settings
            assert one._http.session is not client._http.session
            with one:
                assert one.me().username == "tester"
                assert [log.output for log in other.logs()] == ["one"]
            gc.collect()
