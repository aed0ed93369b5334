"""
A client finds its settings where Coder's command finds them.
"""

from __future__ import annotations

import inspect
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from coder_agents import Client, ConfigError
from coder_agents.environment import Environment, config_folder
from coder_agents.testing import Deployment

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
BASE = {"CODER_URL": URL, "CODER_SESSION_TOKEN": TOKEN}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """
    An environment with a URL and a token, and without any other of Coder's variables.
    """
    for name in os.environ:
        if name.startswith("CODER_"):
            monkeypatch.delenv(name)
    for name, value in {**BASE, "CODER_CONFIG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def headers_of(**variables: str) -> dict[str, str]:
    """
    The headers that the environment has.
    """
    return Environment(dict(variables)).headers(URL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 1e10},
        {"retries": -1},
        {"proxies": {"https": "ftp://x"}},
        {"stream_options": {}},
        {"session": 5},
        {"token": "a b"},
        {"user_agent": "a\nb"},
    ],
)
def test_settings_are_checked_before_the_header_command_runs(
    variables: pytest.MonkeyPatch, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """
    A command may ask somebody to log in, which is in vain where the client cannot be made.
    """
    ran = tmp_path / "ran"
    variables.setenv("CODER_HEADER_COMMAND", f"echo > {ran}")
    with pytest.raises((ConfigError, ValueError, TypeError)):
        Client.from_env(**wrong)
    assert not ran.exists()


def whole_text(error: BaseException) -> str:
    """
    All that is printed of an error, and of those it holds.
    """
    return "".join(traceback.format_exception(error)) + repr(error.__cause__) + repr(error.args)


def test_a_variable_takes_precedence_over_a_file(tmp_path: Path) -> None:
    """
    The variables are taken where they are set, else the files.
    """
    (tmp_path / "url").write_text("https://from.file\n")
    (tmp_path / "session").write_text(" token-from-file \n")
    environment = Environment({"CODER_CONFIG_DIR": str(tmp_path)})
    assert environment.url() == "https://from.file"
    assert environment.token() == "token-from-file"
    environment = Environment({**environment.variables, **BASE})
    assert (environment.url(), environment.token()) == (URL, TOKEN)


@pytest.mark.parametrize("around", [" {} ", "{}\n", "\t{}\r\n", "\ufeff{}\n"])
def test_white_space_around_is_stripped_everywhere(around: str, tmp_path: Path) -> None:
    """
    URL and token lose white space around them in the variables as in the files, and files their mark of UTF-8.
    """
    folder = {"CODER_CONFIG_DIR": str(tmp_path)}
    (tmp_path / "url").write_text(around.format(URL), encoding="utf-8")
    (tmp_path / "session").write_text(around.format(TOKEN), encoding="utf-8")
    found = Environment(folder)
    assert (found.url(), found.token()) == (URL, TOKEN)
    if "\ufeff" not in around:
        set_ = {"CODER_URL": around.format(URL), "CODER_SESSION_TOKEN": around.format(TOKEN)}
        found = Environment(set_)
        assert (found.url(), found.token()) == (URL, TOKEN)


def test_a_variable_of_white_space_alone_is_not_set(tmp_path: Path) -> None:
    """
    A variable that has nothing but white space gives way to the file.
    """
    (tmp_path / "session").write_text(TOKEN)
    environment = Environment({"CODER_CONFIG_DIR": str(tmp_path), "CODER_SESSION_TOKEN": " \n"})
    assert environment.token() == TOKEN


def test_the_folder_is_found_as_coders_command_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    CODER_CONFIG_DIR takes precedence over XDG_CONFIG_HOME, and that over the home folder.
    """
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_folder({"CODER_CONFIG_DIR": "/a", "XDG_CONFIG_HOME": "/b"}) == Path("/a")
    assert config_folder({"XDG_CONFIG_HOME": "/b"}) == Path("/b/coderv2")
    assert config_folder({}) == tmp_path / ".config" / "coderv2"


@pytest.mark.parametrize("make", [lambda file: None, Path.touch])
def test_a_missing_url_or_token_names_every_place_it_read(make: Any, tmp_path: Path) -> None:
    """
    The error names the argument, the variable and the file, which is absent or empty.
    """
    environment = Environment({"CODER_CONFIG_DIR": str(tmp_path)})
    make(tmp_path / "url")
    make(tmp_path / "session")
    with pytest.raises(ConfigError, match=r"no URL .* argument .* CODER_URL .*/url .* empty"):
        environment.url()
    with pytest.raises(ConfigError, match=r"no token .* CODER_SESSION_TOKEN .*/session .* empty"):
        environment.token()


def test_a_folder_that_is_a_file_has_no_files(tmp_path: Path) -> None:
    """
    A path that leads through a file is as one that is not there.
    """
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="no token of a Coder deployment"):
        Environment({"CODER_CONFIG_DIR": str(tmp_path / "file")}).token()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_utf_16_is_reported_as_that(encoding: str, tmp_path: Path) -> None:
    """
    A file that an editor wrote in UTF-16 is reported as that, with or without its mark.
    """
    (tmp_path / "session").write_bytes(TOKEN.encode(encoding))
    with pytest.raises(
        ConfigError, match=r"/session is text in UTF-16, .* must be in UTF-8"
    ) as raised:
        Environment({"CODER_CONFIG_DIR": str(tmp_path)}).token()
    assert TOKEN not in whole_text(raised.value)


def test_a_file_that_is_no_text_is_reported_as_that(tmp_path: Path) -> None:
    """
    What is no UTF-8 is reported, and nothing of it is shown.
    """
    (tmp_path / "session").write_bytes(b"s3cret\xff")
    with pytest.raises(ConfigError, match=r"/session is not text in UTF-8") as raised:
        Environment({"CODER_CONFIG_DIR": str(tmp_path)}).token()
    assert "s3cret" not in whole_text(raised.value)
    assert raised.value.__context__ is None


def test_a_file_that_cannot_be_read_is_reported_as_that(tmp_path: Path) -> None:
    """
    A file that is there and cannot be read is not taken for one that is absent.
    """
    (tmp_path / "session").mkdir()
    (tmp_path / "url").symlink_to(tmp_path / "url")
    environment = Environment({"CODER_CONFIG_DIR": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"the file .*/session cannot be read: Is a directory"):
        environment.token()
    with pytest.raises(ConfigError, match=r"the file .*/url cannot be read: Too many levels"):
        environment.url()


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("X-A=a", {"X-A": "a"}),
        (
            "CF-Access-Client-Id=id,CF-Access-Client-Secret=s=x",
            {"CF-Access-Client-Id": "id", "CF-Access-Client-Secret": "s=x"},
        ),
        ('"X-A=1,2",X-B=3', {"X-A": "1,2", "X-B": "3"}),
        ('"X-A={""a"": 1}"', {"X-A": '{"a": 1}'}),
        ("X-A=a\n", {"X-A": "a"}),
        ("\r\nX-A=a,X-B=b\r\n", {"X-A": "a", "X-B": "b"}),
        ("X-A= a\t,X-B=", {"X-A": "a", "X-B": ""}),
        ("X-A=a,", {"X-A": "a"}),
        ("X-A=1,x-a=2,Cookie=a=1,cookie=b=2", {"X-A": "1, 2", "Cookie": "a=1; b=2"}),
        ("", {}),
        (" ", {}),
    ],
)
def test_coder_header_is_one_record_of_csv(text: str, headers: dict[str, str]) -> None:
    """
    CODER_HEADER holds several headers, quoted as Go's encoding/csv quotes, of which each may be there twice.
    """
    assert headers_of(CODER_HEADER=text) == headers


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("s3cret", "entry 1 of CODER_HEADER must be name=value"),
        ("X-A=a,s3cret", "entry 2 of CODER_HEADER must be name=value"),
        ("X-A=a, s3cret=b", "entry 2 of CODER_HEADER must be name=value"),
        ("=s3cret", "entry 1 of CODER_HEADER must be name=value"),
        ('X-A="s3cret"', "CODER_HEADER must be one line of headers"),
        ('"X-A=s3cret', "CODER_HEADER must be one line of headers"),
        ('"X-A=s3cret"x', "CODER_HEADER must be one line of headers"),
        ('"X-A=s3cret" ,X-B=b', "CODER_HEADER must be one line of headers"),
        ("X-A=s3cret\nX-B=b", "CODER_HEADER must be one line of headers"),
    ],
)
def test_what_go_does_not_read_is_refused_unseen(text: str, says: str) -> None:
    """
    What Go's encoding/csv or Coder's command refuses is refused, with the place and without the text.
    """
    with pytest.raises(ConfigError, match=says) as raised:
        headers_of(CODER_HEADER=text)
    assert "s3cret" not in whole_text(raised.value)


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1))
def test_whatever_csv_can_quote_is_read_back(values: list[str]) -> None:
    """
    Headers that were quoted as CSV come out as they went in.
    """
    headers = {f"X-{number}": value.strip() for number, value in enumerate(values)}
    fields = [f"{name}={value}" for name, value in headers.items()]
    text = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert headers_of(CODER_HEADER=text) == headers


def test_the_header_command_prints_headers() -> None:
    """
    CODER_HEADER_COMMAND is run by the shell with the deployment's URL, and its headers follow those of CODER_HEADER.
    """
    command = 'echo "X-Url=$CODER_URL"; echo; printf "X-A= b=c \\r\\n"; echo X-Both=2'
    found = headers_of(
        CODER_HEADER_COMMAND=command, CODER_HEADER="X-Both=1", PATH=os.environ["PATH"]
    )
    assert found == {"X-Both": "1, 2", "X-Url": URL, "X-A": "b=c"}
    assert headers_of(CODER_HEADER_COMMAND=" ") == {}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo X-A=s3cret; echo s3cret >&2; exit 3", "ended with the status 3: run it in a shell"),
        ("s3cret-command-that-does-not-exist", "ended with the status 127"),
        ("kill -9 $$ # s3cret", "ended with the status -9"),
        ("printf 'X-A=s3cret\\377'", "printed something that is not text in UTF-8"),
        (
            "echo X-A=a; echo s3cret",
            "line 2 of the output of CODER_HEADER_COMMAND must be name=value",
        ),
        ("exec sleep 60 # s3cret", "ran longer than 0.5 seconds"),
    ],
)
def test_a_header_command_that_fails_is_reported_unseen(
    command: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    The error says how the command failed, and shows neither the command nor what it printed.
    """
    limit = 0.5 if "sleep" in command else 60.0
    variables = {"CODER_HEADER_COMMAND": command, "PATH": os.environ["PATH"]}
    with pytest.raises(ConfigError, match=says) as raised:
        Environment(variables, command_timeout=limit).headers(URL)
    assert "s3cret" not in whole_text(raised.value)
    assert raised.value.__context__ is None
    assert "s3cret" not in "".join(capfd.readouterr())


def test_the_header_command_runs_once_a_client(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    The command runs when the client is made, and not again for its requests.
    """
    with Deployment() as deployment:
        variables.setenv("CODER_URL", deployment.url + "/")
        variables.setenv("CODER_SESSION_TOKEN", deployment.token)
        variables.setenv("CODER_HEADER_COMMAND", f"echo X-Gate=$CODER_URL; echo >>{tmp_path}/runs")
        with Client.from_env() as client:
            client.me()
            client.me()
        assert [each.headers["x-gate"] for each in deployment.requests] == [deployment.url] * 2
    assert (tmp_path / "runs").read_text() == "\n"


TLS = {
    "CODER_CLIENT_TLS_CA_FILE": "ca.pem",
    "CODER_CLIENT_TLS_CERT_FILE": "cert.pem",
    "CODER_CLIENT_TLS_KEY_FILE": "key.pem",
}


def test_the_tls_variables_are_read_as_coders_command_reads_them() -> None:
    """
    Authorities are one file, certificate and key go together.
    """
    environment = Environment(TLS)
    assert environment.verify() == "ca.pem"
    assert environment.cert() == ("cert.pem", "key.pem")
    assert (Environment({}).verify(), Environment({}).cert()) == (None, None)
    for name in ("CODER_CLIENT_TLS_CERT_FILE", "CODER_CLIENT_TLS_KEY_FILE"):
        with pytest.raises(ConfigError, match="go together"):
            Environment({name: "x.pem"}).cert()


def test_each_argument_takes_precedence_over_its_variable(variables: pytest.MonkeyPatch) -> None:
    """
    An argument is taken whatever its variable holds, even where that alone would be an error.
    """
    variables.setenv("CODER_URL", "broken")
    variables.setenv("CODER_SESSION_TOKEN", "bro ken")
    variables.setenv("CODER_HEADER", "broken")
    variables.setenv("CODER_HEADER_COMMAND", "exit 1")
    variables.setenv("CODER_CLIENT_TLS_CA_FILE", "broken.pem")
    variables.setenv("CODER_CLIENT_TLS_CERT_FILE", "without-its-key.pem")
    for verify in (False, True, "ca.pem"):
        client = Client.from_env(URL, TOKEN, headers={"X-A": "a"}, verify=verify, cert="c.pem")
        settings = client._http.settings
        assert (settings.url, settings.token, settings.headers) == (URL, TOKEN, {"X-A": "a"})
        assert (settings.verify, settings.cert) == (verify, "c.pem")
    assert Client.from_env(URL, TOKEN, headers={}, cert="c.pem")._http.settings.headers == {}


def test_what_is_no_argument_comes_from_the_variables(variables: pytest.MonkeyPatch) -> None:
    """
    Each setting without an argument is that of its variable.
    """
    for name, value in {**TLS, "CODER_HEADER": "X-A=a"}.items():
        variables.setenv(name, value)
    settings = Client.from_env(timeout=3, retries=0)._http.settings
    assert (settings.url, settings.token, settings.headers) == (URL, TOKEN, {"X-A": "a"})
    assert (settings.verify, settings.cert) == ("ca.pem", ("cert.pem", "key.pem"))
    assert (settings.read_timeout, settings.retries) == (3, 0)


def test_a_session_takes_precedence_over_all_tls_variables(variables: pytest.MonkeyPatch) -> None:
    """
    A session brings its own TLS settings; headers are sent through it.
    """
    for name, value in {**TLS, "CODER_HEADER": "X-A=a"}.items():
        variables.setenv(name, value)
    variables.delenv("CODER_CLIENT_TLS_KEY_FILE")
    with requests.Session() as session:
        client = Client.from_env(session=session)
        assert client._http.session is session
        assert (client._http._verify, client._http._cert) == (None, None)
        assert client._http.settings.headers == {"X-A": "a"}


def test_from_env_takes_what_the_client_takes() -> None:
    """
    The arguments of from_env are those of the client, with the same defaults and types.
    """
    made = dict(inspect.signature(Client.__init__).parameters)
    found = dict(inspect.signature(Client.from_env).parameters)
    for name in ("url", "token"):
        assert made.pop(name).annotation == "str"
        assert found.pop(name).annotation == "str | None"
    del made["self"]
    assert found == made
    assert all("Any" not in str(parameter.annotation) for parameter in found.values())


def test_the_environment_is_in_no_repr() -> None:
    """
    What prints the environment shows no variable.
    """
    assert TOKEN not in repr(Environment(BASE))
