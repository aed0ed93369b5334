"""
The messages of a terminal, from both sides of a socket.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from coder_agents import Client
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
