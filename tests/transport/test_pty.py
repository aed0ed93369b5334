"""
The messages of a terminal, from both sides of a socket.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from coder_agents import Client, PermissionDeniedError, ServerError, TransportError
from coder_agents.testing import Deployment
from coder_agents.transport import DroppedError, PtySource

SECONDS = 40.0


@pytest.fixture
def source() -> Iterator[PtySource]:
    """
    A source that is connected to a terminal which echoes lines, raw.
    """
    with Deployment() as deployment, Client(deployment.url, deployment.token) as client:
        agent = deployment.add_agent()
        params = [
            ("reconnect", str(uuid.uuid4())),
            ("width", "80"),
            ("height", "24"),
            (
                "command",
                'stty raw -echo; echo READY; while read x && [ "$x" != end ]; do stty size; echo $x; done',
            ),
        ]
        path = f"/workspaceagents/{agent.id}/pty"
        made = PtySource(client._http, path, params, idle_timeout=60, max_message_size=1 << 20)
        made.send_request(SECONDS)
        while not made.answered():
            time.sleep(0.001)
        yield made
        made.close()


def read_until(source: PtySource, wanted: bytes) -> bytes:
    """
    Read until *wanted* has come.
    """
    output = b""
    until = time.monotonic() + SECONDS
    while wanted not in output:
        assert time.monotonic() < until, output
        output += source.receive() or b""
        time.sleep(0.001)
    return output


def test_output_is_exact_and_input_arrives(source: PtySource) -> None:
    """
    Text of every kind is typed as it is, and what the terminal writes comes as it is.
    """
    assert read_until(source, b"READY\n") == b"READY\n"
    source.write('zürich \u20ac 😀 "quoted"\n')
    assert not source.has_output
    assert read_until(source, b'"quoted"\n') == '24 80\nzürich € 😀 "quoted"\n'.encode()


def test_the_size_is_set(source: PtySource) -> None:
    """
    Columns and rows are not mixed up.
    """
    read_until(source, b"READY\n")
    source.resize(100, 30)
    source.write("x\n")
    assert read_until(source, b"x\n") == b"30 100\nx\n"


def test_the_end_of_the_process_is_a_close_with_1000(source: PtySource) -> None:
    """
    The end is no output: it is raised, with its code.
    """
    read_until(source, b"READY\n")
    source.write("end\n")
    with pytest.raises(DroppedError) as ended:
        read_until(source, b"more")
    assert ended.value.code == 1000


def test_an_error_does_not_show_the_command(caplog: pytest.LogCaptureFixture) -> None:
    """
    The command is a part of the address, and may be long or secret: no error and no log shows it.
    """
    caplog.set_level("DEBUG")
    with Deployment() as deployment, Client(deployment.url, deployment.token) as client:
        embedded = deployment.add_agent()
        agent = client.agent(str(embedded.id))
        embedded.disconnect()
        with pytest.raises(ServerError) as refused:
            agent.terminal("echo SECRET")
        headers = {"Content-Type": "application/json"}
        deployment.faults.add("refuse", route="pty", status=403, headers=headers, body="{}")
        with pytest.raises(PermissionDeniedError) as denied:
            agent.terminal("echo SECRET")
        deployment.close()
        with pytest.raises(TransportError) as unreached:
            agent.terminal("echo SECRET")
    for raised in (refused, denied, unreached):
        assert f"/workspaceagents/{embedded.id}/pty" in str(raised.value)
        assert "SECRET" not in str(raised.value)
    assert "SECRET" not in str(denied.value.request.url)
    assert "SECRET" not in caplog.text
