"""
The checks of ``coder-agents doctor``.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import responses

from coder_agents import Client
from coder_agents.cli.doctor.sources import source, without_password
from coder_agents.cli.doctor.visit import _Visit
from coder_agents.testing import Deployment
from coder_agents.transport.server_clock import clock_skew

from .conftest import Run

JSON = {"Content-Type": "application/json"}


def states(ended: Run) -> dict[str, str]:
    """
    Return the state of each check.
    """
    return {row[1]: row[0] for row in ended.rows}


def texts(ended: Run) -> dict[str, str]:
    """
    Return what each check has found.
    """
    return {row[1]: row[2] for row in ended.rows}


def test_all_is_well(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    Each check has its line, none shows the token, and the code is 0.
    """
    ended = run("doctor")
    assert ended.status == 0, ended.out
    assert set(states(ended).values()) == {"ok"}
    found = texts(ended)
    assert found["url"] == f"{deployment.url}, from CODER_URL"
    assert found["token"] == "from CODER_SESSION_TOKEN"
    assert "v2.31" in found["deployment"]
    assert " connected; checked with " in found["agents"]
    assert "metadata_sse" in found["capabilities"]
    assert deployment.token not in ended.out


def test_a_narrow_terminal_shows_the_whole_text(
    shown: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A check has its name and its text in 20 columns, and what to do.
    """
    monkeypatch.setenv("CODER_URL", "")
    ended = shown("doctor", columns=20)
    words = re.sub(r"\x1b\[[0-9;]*m", "", ended.out).split()
    assert words[:6] == ["failed", "url", "no", "URL", "of", "a"]
    assert "set CODER_URL, or run" in " ".join(words)


def test_an_agent_is_checked(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    The agent that is named is checked, and one that is away fails.
    """
    assert "evil.gpu is connected" in texts(run("doctor", "evil"))["agents"]
    assert states(run("doctor", "nothing"))["agents"] == "failed"
    away = deployment.add_agent(workspace="away")
    away.disconnect()
    ended = run("doctor", "away")
    assert ended.status == 1
    assert states(ended)["agents"] == "failed"


def test_each_setting_has_its_source(
    run: Callable[..., Run],
    deployment: Deployment,
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Options come before variables, variables before files, and no value of a header is shown.
    """
    folder = environment / "coderv2"
    folder.mkdir()
    (folder / "url").write_text(deployment.url)
    (folder / "session").write_text(deployment.token)
    monkeypatch.setenv("CODER_CONFIG_DIR", str(folder))
    monkeypatch.delenv("CODER_URL")
    monkeypatch.delenv("CODER_SESSION_TOKEN")
    monkeypatch.setenv("CODER_HEADER", "X-Secret=hidden")
    found = run("doctor")
    assert texts(found)["url"].endswith(f"from the file {folder / 'url'}")
    assert texts(found)["token"] == f"from the file {folder / 'session'}"
    assert texts(found)["headers"] == "from CODER_HEADER"
    assert "hidden" not in found.out
    ended = run("--url", deployment.url, "--token-file", str(folder / "session"), "doctor")
    assert texts(ended)["url"].endswith("from --url")
    assert texts(ended)["token"] == "from --token-file"
    assert source(None, "", {"A": " "}, "A", "url").startswith("the file ")


def test_what_cannot_be_checked_is_skipped(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After a check that fails, those that need it are skipped, and the code is 1.
    """
    nowhere = run("--url", "http://127.0.0.1:1", "doctor")
    assert nowhere.status == 1
    assert states(nowhere)["deployment"] == "failed"
    assert {states(nowhere)[name] for name in ("tls", "clock", "user", "commands")} == {"skipped"}
    monkeypatch.setenv("CODER_SESSION_TOKEN", "wrong")
    refused = run("doctor")
    assert states(refused)["user"] == "failed"
    assert {states(refused)[name] for name in ("agents", "websocket")} == {"skipped"}
    assert "coder login" in refused.rows[-5][3]
    monkeypatch.setenv("CODER_CLIENT_TLS_CERT_FILE", "only-one")
    assert states(run("doctor"))["settings"] == "failed"
    monkeypatch.delenv("CODER_CLIENT_TLS_CERT_FILE")
    monkeypatch.delenv("CODER_SESSION_TOKEN")
    monkeypatch.setenv("CODER_URL", "ftp://x")
    none = run("doctor")
    assert (states(none)["url"], states(none)["token"]) == ("failed", "failed")
    assert states(none)["deployment"] == "skipped"


def test_a_proxy_is_named_without_its_password(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The proxy that applies is shown without the user and the password.
    """
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    ended = run("doctor")
    assert texts(ended)["proxy"] == "http://127.0.0.1:1"
    assert "secret" not in ended.out
    monkeypatch.setenv("http_proxy", "socks9://me:secret@x")
    broken = run("doctor")
    assert states(broken)["proxy"] == "failed"
    assert "secret" not in broken.out
    assert without_password("proxy:3128") == "http://proxy:3128"


@pytest.mark.parametrize(
    ("ahead", "state", "word"),
    [(0, "ok", ""), (600, "failed", "behind"), (-600, "failed", "ahead")],
)
def test_clocks_are_compared(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, ahead: int, state: str, word: str
) -> None:
    """
    A difference of ten minutes is reported with its direction.
    """
    with Deployment() as deployment:
        deployment.set_clock(timedelta(seconds=ahead))
        monkeypatch.setenv("CODER_URL", deployment.url)
        monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
        ended = run("doctor")
        assert states(ended)["clock"] == state
        assert word in texts(ended)["clock"]
        # Without an agent, what needs one is skipped.
        assert states(ended)["websocket"] == "skipped"
        with deployment.client() as client:
            skew = clock_skew(client._http)
    assert skew is not None
    assert abs(skew.total_seconds() - ahead) < 60


@pytest.mark.parametrize(
    ("date", "is_read"),
    [
        (None, False),
        ("yesterday", False),
        ("Sat, 28 Nov 2026 09:00:00 GMT", True),
        ("Sat, 28 Nov 2026 09:00:00 -0000", True),
    ],
)
@responses.activate
def test_a_date_that_cannot_be_read_is_skipped(date: str | None, is_read: bool) -> None:
    """
    An answer without a date, or with one of another form, has no clock to compare.
    """
    headers = {} if date is None else {"Date": date}
    responses.get("http://127.0.0.1:1/api/v2/buildinfo", json={}, headers=headers)
    with Client("http://127.0.0.1:1", "token", proxies={}) as client:
        assert (clock_skew(client._http) is not None) is is_read
        clock = _Visit(client, None)._clock()
    assert clock.state == ("failed" if is_read else "skipped")


def test_tls_is_checked(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    """
    A certificate that nobody knows fails with the variable to set; with the authority all is well.
    """
    with Deployment(tls=True) as deployment:
        monkeypatch.setenv("CODER_URL", deployment.url)
        monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
        ended = run("doctor")
        assert states(ended)["deployment"] == "failed"
        assert "CODER_CLIENT_TLS_CA_FILE" in texts(ended)["deployment"]
        monkeypatch.setenv("CODER_CLIENT_TLS_CA_FILE", str(deployment.ca_file))
        assert "is valid by" in texts(run("doctor"))["tls"]


@pytest.mark.parametrize(
    ("route", "check"),
    [
        ("logs_follow", "websocket"),
        ("watch_metadata", "metadata"),
        ("pty", "commands"),
        ("workspaces", "agents"),
    ],
)
def test_a_call_that_fails_has_its_own_line(
    run: Callable[..., Run], deployment: Deployment, route: str, check: str
) -> None:
    """
    A WebSocket, events, a terminal or a list that is refused fails one check, with the reason.
    """
    for _ in range(10):
        deployment.faults.add(
            "refuse", route=route, status=403, headers=JSON, body=json.dumps({"message": "No."})
        )
    ended = run("doctor")
    deployment.faults.clear()
    assert ended.status == 1
    assert states(ended)[check] == "failed"
    assert "403" in texts(ended)[check]


def test_a_terminal_shows_advice_below(shown: Callable[..., Run]) -> None:
    """
    On a terminal, each check is drawn within its width, and the advice is a line of its own.
    """
    ended = shown("--url", "http://127.0.0.1:1", "doctor", columns=60)
    assert "check the URL" in ended.out
    assert "\t" not in ended.out


def test_a_clock_that_cannot_be_read_fails() -> None:
    """
    Where no answer comes, the check of the clock fails as any other.
    """
    with Client("http://127.0.0.1:1", "token", retries=0, proxies={}) as client:
        assert _Visit(client, None)._clock().state == "failed"


def test_a_certificate_that_is_not_checked_fails() -> None:
    """
    A client that checks no certificate is reported, though the deployment answers.
    """
    with Deployment(tls=True) as deployment, deployment.client(verify=False) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of urllib3, about the same
            results = list(_Visit(client, None)._deployment())
    assert [each.state for each in results] == ["ok", "failed"]
