"""
Settings are checked once, before any input or output.
"""

from __future__ import annotations

import math
import select
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coder_agents import Client, ConfigError, Reconnect, StreamOptions
from coder_agents.config import MAX_TIMEOUT, Timeout
from coder_agents.testing import Deployment

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://coder.example.com", "https://coder.example.com"),
        ("https://coder.example.com/", "https://coder.example.com"),
        ("https://coder.example.com/prefix//", "https://coder.example.com/prefix"),
        ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://Coder.Example.COM:8443/Prefix", "https://coder.example.com:8443/Prefix"),
        ("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b"),
        ("  https://coder.example.com\n", "https://coder.example.com"),
    ],
)
def test_a_url_loses_its_trailing_slash_and_keeps_its_prefix(given: str, kept: str) -> None:
    """
    A path prefix is kept, a trailing slash and white space around are not.
    """
    assert repr(Client(given, TOKEN)) == f"<Client {kept}>"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must begin with https://"),
        ("coder.example.com", "must begin with https://"),
        ("ftp://coder.example.com", "must begin with https://"),
        ("https://", "names no host"),
        ("https:///path", "names no host"),
        ("https://coder.example.com:port", "cannot be read"),
        ("https://coder.example.com:99999", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://coder example.com", "cannot be read"),
        ("https://coder.example.com/a\x00b", "cannot be read"),
        ("https://coder.example.com/?q=1", "must end before"),
        ("https://coder.example.com/#x", "must end before"),
        ("https://user:pa55word@coder.example.com", "must not hold a user name"),
        ("https://user@coder.example.com", "must not hold a user name"),
    ],
)
def test_a_malformed_url_is_refused_with_what_would_be_right(url: str, says: str) -> None:
    """
    The error says what is wrong with the URL and never shows a password in it.
    """
    with pytest.raises(ConfigError, match=says) as raised:
        Client(url, TOKEN)
    assert "pa55word" not in str(raised.value)
    assert isinstance(raised.value, ValueError)


def test_a_url_or_token_that_is_no_text_is_a_type_error() -> None:
    """
    Bytes or None are refused as what they are.
    """
    with pytest.raises(TypeError, match="URL must be text, not bytes"):
        Client(b"https://coder.example.com", TOKEN)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="token must be text, not NoneType"):
        Client(URL, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "token", ["", " ", "s3cret token", "s3cret\n", "s3cret\x7f", "s3cret\u00e9", "\u2028s3cret"]
)
def test_a_token_with_white_space_or_control_characters_is_refused_unseen(token: str) -> None:
    """
    Such a token is refused before any I/O, and the error does not show it.
    """
    with pytest.raises(ConfigError) as raised:
        Client(URL, token)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "timeout", [0, -1, math.nan, math.inf, 10**400, (1, 0), (math.nan, 1), (1, 2, 3)]
)
def test_a_timeout_that_is_no_finite_time_above_zero_is_refused(timeout: object) -> None:
    """
    NaN, infinity, zero and negative time-outs raise ValueError.
    """
    with pytest.raises(ValueError, match="timeout must be"):
        Client(URL, TOKEN, timeout=timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", ["10", True, [1, 2], ("1", 2)])
def test_a_timeout_that_is_no_number_is_a_type_error(timeout: object) -> None:
    """
    Text, booleans and lists are no seconds.
    """
    with pytest.raises(TypeError, match="timeout must be a number of seconds"):
        Client(URL, TOKEN, timeout=timeout)  # type: ignore[arg-type]


def test_retries_are_a_whole_number_of_zero_or_more() -> None:
    """
    A negative or broken number of retries is refused.
    """
    with pytest.raises(ValueError, match="retries must be 0 or more, not -1"):
        Client(URL, TOKEN, retries=-1)
    with pytest.raises(TypeError, match="retries must be a whole number"):
        Client(URL, TOKEN, retries=True)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-A": "s3cret\r\nX-B: b"}, "X-A must be text in ASCII without line breaks"),
        ({"X-A": "s3cret\nX-B: b"}, "X-A must be text in ASCII without line breaks"),
        ({"X-A": " s3cret"}, "without white space at its ends"),
        ({"X-A": "\ts3cret"}, "without white space at its ends"),
        ({"X-A": "s3cret "}, "without white space at its ends"),
        ({"X-A": "s3cret\n"}, "without white space at its ends"),
        ({"X-A": " "}, "without white space at its ends"),
        ({"X-A": "s3cret\x00"}, "or other control characters"),
        ({"X-A": "s3\x1bcret"}, "or other control characters"),
        ({"X-A": "s3cr\u00e9t"}, "X-A must be text in ASCII"),
        ({"X-A": "s3\u2028cret"}, "X-A must be text in ASCII"),
        ({"X-A": 1}, "X-A must be text"),
        ({"X-A": b"s3cret"}, "X-A must be text"),
        ({"X-A": None}, "X-A must be text"),
        ({"X A": "a"}, "not the name of an HTTP header"),
        ({"": "a"}, "not the name of an HTTP header"),
        ({"coder-session-token": "a"}, "pass the token as token="),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str], says: str) -> None:
    """
    A header cannot smuggle in another one, nor stand in for the token, and its value is never shown.
    """
    with pytest.raises(ConfigError, match=says) as raised:
        Client(URL, TOKEN, headers=headers)
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize("value", ["", "a", "a b", "a\tb", "~!", '{"a": "b, c"}'])
def test_a_header_that_can_be_sent_is_kept_as_it_is(value: str) -> None:
    """
    White space within a value is part of it, and a value may be empty.
    """
    client = Client(URL, TOKEN, headers={"X-A": value}, user_agent=value)
    assert client._http.settings.headers == {"X-A": value}
    assert client._http.request_headers()["User-Agent"] == value


@pytest.mark.parametrize("value", ["me\nX: y", " me", "m\u00e9"])
def test_a_user_agent_is_checked_as_a_header_is(value: str) -> None:
    """
    The user agent is a header like any other.
    """
    with pytest.raises(ConfigError, match="user_agent must be text in ASCII without line breaks"):
        Client(URL, TOKEN, user_agent=value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"headers": ["X-A"]}, "headers must be a mapping of names to values, not list"),
        ({"headers": "X-A: b"}, "headers must be a mapping of names to values, not str"),
        ({"headers": ()}, "headers must be a mapping of names to values, not tuple"),
        ({"proxies": "http://p"}, "proxies must be a mapping of schemes to URLs, not str"),
        (
            {"proxies": {"https": 1}},
            "proxies must be a mapping of schemes to URLs, all of them text",
        ),
        ({"proxies": {1: "http://p"}}, "proxies must be a mapping of schemes to URLs, all of them"),
        ({"verify": 1}, "verify must be True, False or a path, not int"),
        ({"verify": ["ca.pem"]}, "verify must be True, False or a path, not list"),
        ({"cert": 1}, "cert must be a path or a pair of paths: certificate and key, not int"),
        (
            {"cert": ["c", "k"]},
            "cert must be a path or a pair of paths: certificate and key, not lis",
        ),
        (
            {"cert": ("c", None)},
            "cert must be a path or a pair of paths: certificate and key, not No",
        ),
        ({"stream_options": {}}, "stream_options must be a StreamOptions or None, not dict"),
        ({"stream_options": False}, "stream_options must be a StreamOptions or None, not bool"),
        (
            {"stream_options": Reconnect()},
            "stream_options must be a StreamOptions or None, not Rec",
        ),
        (
            {"stream_options": StreamOptions},
            "stream_options must be a StreamOptions or None, not typ",
        ),
        ({"session": object()}, "session must be a requests.Session, not object"),
        ({"session": "https"}, "session must be a requests.Session, not str"),
    ],
)
def test_a_setting_of_another_type_is_a_type_error(settings: dict[str, Any], says: str) -> None:
    """
    A setting of a wrong type is refused when the client is made, with what it must be.
    """
    with pytest.raises(TypeError, match=says):
        Client(URL, TOKEN, **settings)


@pytest.mark.parametrize("value", [("a",), (), ("a", "b", "c")])
def test_a_certificate_and_its_key_are_two_paths(value: Any) -> None:
    """
    A tuple of any other length is refused.
    """
    with pytest.raises(ValueError, match="cert must be a path or a pair of paths"):
        Client(URL, TOKEN, cert=value)


@pytest.mark.parametrize("settings", [{"verify": ""}, {"cert": ""}, {"cert": ("c.pem", "")}])
def test_an_empty_path_is_refused(settings: dict[str, Any]) -> None:
    """
    An empty path, which would switch the check of the certificate off, is refused.
    """
    with pytest.raises(ConfigError, match="not an empty path"):
        Client(URL, TOKEN, **settings)


def test_paths_may_be_path_objects() -> None:
    """
    Text and Path mean the same, for verify and for each part of cert.
    """
    settings = Client(URL, TOKEN, verify=Path("ca.pem"), cert=Path("c.pem"))._http.settings
    assert (settings.verify, settings.cert) == ("ca.pem", "c.pem")
    settings = Client(URL, TOKEN, cert=(Path("c.pem"), "k.pem"))._http.settings
    assert (settings.verify, settings.cert) == (True, ("c.pem", "k.pem"))


@pytest.mark.parametrize("timeout", [1e10, 2_147_484, (1e10, 1), (1, 2**63)])
def test_a_timeout_that_no_socket_takes_is_refused(timeout: Any) -> None:
    """
    A time-out of more than 24 days is refused when the client is made.
    """
    with pytest.raises(ValueError, match=r"timeout must be at most 2147483 seconds \(24 days\)"):
        Client(URL, TOKEN, timeout=timeout)


@pytest.mark.parametrize("timeout", [None, (None, 60), (10, None), (None, None)])
def test_no_timeout_is_no_limit(timeout: Timeout) -> None:
    """
    None stands for the longest time that a socket can be waited for, as each call's own time-out does.
    """
    with Deployment() as deployment, deployment.client(timeout=timeout) as client:
        settings = client._http.settings
        pair = timeout if isinstance(timeout, tuple) else (None, None)
        limits = zip(pair, (settings.connect_timeout, settings.read_timeout), strict=True)
        assert all(seconds == (given or MAX_TIMEOUT) for given, seconds in limits)
        deployment.add_agent().push_logs(["one"])
        with client.agent("dev").follow_logs() as stream:
            assert next(stream).output == "one"


def test_the_longest_timeout_is_one_that_can_be_waited_for() -> None:
    """
    The longest time-out that is allowed works; a second more is too long for poll(), which waits for sockets.
    """
    with Deployment() as deployment, deployment.client(timeout=MAX_TIMEOUT) as client:
        assert client.me().username == "tester"
    ours, peer = socket.socketpair()
    with ours, peer:
        peer.send(b"!")
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        assert poll.poll(MAX_TIMEOUT * 1000)
        with pytest.raises(OverflowError):
            poll.poll((MAX_TIMEOUT + 1) * 1000)


@pytest.mark.parametrize("options", [{}, 0, "", True, Reconnect(), StreamOptions])
@pytest.mark.parametrize(
    "name", ["follow_logs", "watch_metadata", "watch_containers", "ports", "all"]
)
def test_the_options_of_a_stream_are_checked_before_any_request(name: str, options: Any) -> None:
    """
    Options of a wrong type are refused by every method that opens a stream, before it sends anything.
    """
    with Deployment() as deployment, deployment.client() as client:
        agent = client.agent(deployment.add_agent().id)
        sent = len(deployment.requests)
        opens: dict[str, Callable[..., object]] = {
            "follow_logs": agent.follow_logs,
            "watch_metadata": agent.watch_metadata,
            "watch_containers": agent.watch_containers,
            "ports": agent.watch_listening_ports,
            "all": partial(client.follow_logs, [agent]),
        }
        with pytest.raises(TypeError, match="options must be a StreamOptions or None, not"):
            opens[name](options=options)
        assert len(deployment.requests) == sent


def test_no_stream_options_are_the_defaults() -> None:
    """
    None stands for the defaults, for a client as for one stream.
    """
    assert Client(URL, TOKEN)._stream_options == StreamOptions()
    assert Client(URL, TOKEN, stream_options=None)._stream_options == StreamOptions()
    chosen = StreamOptions(settle=1)
    assert Client(URL, TOKEN, stream_options=chosen)._stream_options is chosen


def test_no_secret_is_in_the_settings_repr() -> None:
    """
    Token, header values and proxies are in no repr.
    """
    client = Client(
        URL,
        TOKEN,
        headers={"X-Gate": "h1dden"},
        proxies={"https": "http://me:h1dden@proxy"},
    )
    text = repr(client) + repr(client._http) + repr(client._http.settings)
    assert TOKEN not in text
    assert "h1dden" not in text
