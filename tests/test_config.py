"""
Settings are checked once, before any input or output.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from coder_agents import Client, ConfigError
from coder_agents.config import config_folder, from_environment

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://coder.example.com", "https://coder.example.com"),
        ("https://coder.example.com/", "https://coder.example.com"),
        ("https://coder.example.com/prefix//", "https://coder.example.com/prefix"),
        ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080"),
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


@pytest.mark.parametrize("timeout", ["10", True, None, ("1", 2)])
def test_a_timeout_that_is_no_number_is_a_type_error(timeout: object) -> None:
    """
    Text, booleans and None are no seconds.
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
        ({"X-A": "a\r\nX-B: b"}, "without line breaks"),
        ({"X-A": 1}, "without line breaks"),
        ({"X A": "a"}, "not the name of an HTTP header"),
        ({"": "a"}, "not the name of an HTTP header"),
        ({"coder-session-token": "a"}, "pass the token as token="),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str], says: str) -> None:
    """
    A header cannot smuggle in another one, nor stand in for the token.
    """
    with pytest.raises(ConfigError, match=says):
        Client(URL, TOKEN, headers=headers)


def test_a_user_agent_with_a_line_break_is_refused() -> None:
    """
    The user agent is a header like any other.
    """
    with pytest.raises(ConfigError, match="user_agent must be text without line breaks"):
        Client(URL, TOKEN, user_agent="me\nX: y")


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


def test_arguments_go_before_the_environment_before_files(tmp_path: Path) -> None:
    """
    Argument, environment, file: the first that is there is taken.
    """
    (tmp_path / "url").write_text("https://from.file\n")
    (tmp_path / "session").write_text(" token-from-file \n")
    environ = {"CODER_CONFIG_DIR": str(tmp_path)}
    found = from_environment(environ, url=None, token=None)
    assert found == {"url": "https://from.file", "token": "token-from-file"}
    environ |= {"CODER_URL": "https://from.env", "CODER_SESSION_TOKEN": "token-from-env"}
    found = from_environment(environ, url=None, token=None)
    assert found == {"url": "https://from.env", "token": "token-from-env"}
    found = from_environment(environ, url="https://given", token="given")
    assert found == {"url": "https://given", "token": "given"}


def test_the_cli_folder_is_found_as_the_cli_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    CODER_CONFIG_DIR goes before XDG_CONFIG_HOME before the home folder.
    """
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_folder({"CODER_CONFIG_DIR": "/a", "XDG_CONFIG_HOME": "/b"}) == Path("/a")
    assert config_folder({"XDG_CONFIG_HOME": "/b"}) == Path("/b/coderv2")
    assert config_folder({}) == tmp_path / ".config" / "coderv2"


def test_a_missing_url_or_token_names_every_place_it_read(tmp_path: Path) -> None:
    """
    The error names the argument, the variable and the file.
    """
    environ = {"CODER_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"no URL .* argument .* CODER_URL .*/url"):
        from_environment(environ, url=None, token=None)
    (tmp_path / "session").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"no token .* CODER_SESSION_TOKEN .*/session"):
        from_environment(environ, url=URL, token=None)


def test_header_and_tls_variables_are_read_as_the_cli_reads_them() -> None:
    """
    CODER_HEADER is name=value; certificate and key go together.
    """
    base = {"CODER_URL": URL, "CODER_SESSION_TOKEN": TOKEN}
    tls = {
        "CODER_HEADER": "X-Gate=a=b",
        "CODER_CLIENT_TLS_CA_FILE": "ca.pem",
        "CODER_CLIENT_TLS_CERT_FILE": "cert.pem",
        "CODER_CLIENT_TLS_KEY_FILE": "key.pem",
    }
    found = from_environment(base | tls, url=None, token=None)
    assert found["headers"] == {"X-Gate": "a=b"}
    assert found["verify"] == "ca.pem"
    assert found["cert"] == ("cert.pem", "key.pem")
    with pytest.raises(ConfigError, match="name=value"):
        from_environment(base | {"CODER_HEADER": "broken"}, url=None, token=None)
    with pytest.raises(ConfigError, match="go together"):
        from_environment(base | {"CODER_CLIENT_TLS_KEY_FILE": "k"}, url=None, token=None)


def test_from_env_takes_options_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is passed to from_env goes before what the environment says.
    """
    monkeypatch.setenv("CODER_URL", URL)
    monkeypatch.setenv("CODER_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("CODER_CLIENT_TLS_CA_FILE", "ca.pem")
    with Client.from_env(verify=False, timeout=3) as client:
        assert client._http.settings.verify is False
        assert client._http.settings.read_timeout == 3
    with Client.from_env(url="https://other.example.com") as client:
        assert repr(client) == "<Client https://other.example.com>"
        assert client._http.settings.verify == "ca.pem"
