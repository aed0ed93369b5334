"""
The command ``exporter``: in a process, and its errors.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from driving import LIMIT, InThread, reached

from coder_agents.cli import exits
from coder_agents.testing import Deployment

from .conftest import Run
from .processes import PROGRAM


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """
    Return the process of the command, and the URL that it prints.
    """
    process = subprocess.Popen(
        [*PROGRAM, "exporter", "--port", "0", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, process.stderr.read() if process.stderr else ""
        yield process, url
    finally:
        process.kill()
        process.communicate()


def test_a_signal_ends_the_exporter(environment: object, deployment: Deployment) -> None:
    """
    The first line is the URL of the page, which does not show the token; SIGTERM ends the process in
    order and without a word.
    """
    with serving("--query", "name:dev", "--keys", "lo*", "--interval", "1") as (process, url):
        assert url.startswith("http://127.0.0.1:")

        def page() -> str:
            return requests.get(url, timeout=LIMIT).text

        reached(lambda: "coder_agent_metadata_value" in page() and 'key="load"' in page())
        assert "coder_deployment_up 1.0" in page()
        assert 'workspace="evil"' not in page()
        assert deployment.token not in page()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out, err) == (-signal.SIGTERM, "", "")


def test_an_outage_and_its_end_are_on_standard_error(
    environment: object, deployment: Deployment
) -> None:
    """
    Who reads the log on the next day sees both, and not a line for each log that was interrupted.
    """
    with serving("--query", "name:dev", "--interval", "1") as (process, url):

        def page() -> str:
            return requests.get(url, timeout=LIMIT).text

        reached(lambda: "coder_exporter_followed_logs 1.0" in page())
        deployment.restart(down=3.0)
        assert process.stderr is not None
        first, second = process.stderr.readline(), process.stderr.readline()
    assert first.startswith("exporter: GET ")
    assert second == "exporter: the list of agents: works again\n"


def test_ctrl_c_ends_the_exporter(run: Callable[..., Run]) -> None:
    """
    An interrupt closes the port, the threads and the connections.
    """
    main = threading.get_ident()

    def waits() -> bool:
        time.sleep(0.01)
        return sys._current_frames()[main].f_code.co_name == "exporter_command"

    def interrupt() -> None:
        # The function itself runs for moments only, unless it sleeps.
        reached(lambda: all(waits() for _ in range(10)))
        signal.pthread_kill(main, signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        interrupting = InThread(interrupt)
        found = run("exporter", "--port", "0", "--no-logs")
        assert interrupting.ended() is None
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert found.status == exits.INTERRUPTED
    assert found.out.startswith("http://127.0.0.1:")
    assert found.err == ""
    assert not [each for each in threading.enumerate() if "exporter" in each.name]


def test_a_port_in_use_is_one_line_before_any_request(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The line names host and port, and nothing was sent.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        before = len(deployment.requests)
        found = run("exporter", "--port", str(port))
    assert len(deployment.requests) == before
    assert (found.status, found.out) == (exits.FAILED, "")
    assert found.err == f"coder-agents: 127.0.0.1:{port}: {os.strerror(98)}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--port", "65536"], exits.USAGE, "65536 is not in the range"),
        (["--max-series", "0"], exits.USAGE, "0 is not in the range"),
        (["--interval", "0"], exits.USAGE, "longer than 0 seconds"),
        (["--interval", "soon"], exits.USAGE, "no duration"),
        (["--port", "0", "--query", "nonsense:yes"], exits.FAILED, "nonsense"),
        (["--port", "0", "--host", "256.1.1.1"], exits.FAILED, "256.1.1.1:0"),
    ],
)
def test_what_cannot_work_is_one_line(
    arguments: list[str], status: int, text: str, run: Callable[..., Run]
) -> None:
    """
    A wrong option, a wrong query and a wrong host are errors of one line.
    """
    found = run("exporter", *arguments)
    assert found.status == status
    assert text in found.err
    assert found.err.count("\n") == 1


def test_the_missing_extra_is_named(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without prometheus-client, one line shows what to install.
    """
    for name in list(sys.modules):
        if name.startswith("coder_agents.exporter"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    found = run("exporter", "--port", "0")
    assert found.status == exits.FAILED
    assert "pip install 'coder-agents[exporter]'" in found.err
    assert found.err.count("\n") == 1
