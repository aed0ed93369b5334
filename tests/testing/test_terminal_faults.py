"""
Faults of terminals on demand, as a client meets them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from pty_client import RAW, Open, is_running, wait_until

from coder_agents.testing import Deployment, EmbeddedAgent, TerminalProcess


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment whose pings come quickly and need not be answered soon.
    """
    with Deployment(ping_interval=0.05) as made:
        yield made


def test_a_terminal_never_attaches(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    After the handshake nothing comes but a ping, until it is closed with 1001; nothing ran.
    """
    fault = deployment.faults.add("never_attach", route="pty")
    client = terminal(deployment, agent, "echo never")
    client.send("input")
    opcode, _ = client.socket.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_PING
    fault.release()
    assert client.read_all() == b""
    assert (client.end, client.reason) == (1001, "Ping failed")
    assert agent.terminals.commands == []
    assert terminal(deployment, agent, "echo x", client.reconnect).read_all() == b"x\r\n"


def test_a_terminal_that_never_attaches_is_closed_in_time(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    The delay is the time of a ping and its answer, or the ``seconds`` of the fault.
    """
    deployment.pong_timeout = 0.05
    deployment.faults.add("never_attach", route="pty")
    deployment.faults.add("never_attach", route="pty", seconds=0.06)
    for _ in range(2):
        client = terminal(deployment, agent, "echo never")
        assert (client.read_all(), client.end) == (b"", 1001)


def test_output_stalls_while_all_else_goes_on(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    No output comes after so many bytes, nor the end; input arrives, pings are answered, and who
    attaches again gets the output at once.
    """
    deployment.faults.add("stall", route="pty", after_bytes=8)
    command = f"{RAW} echo 0123456789; read line; echo $line >received; read go"
    client = terminal(deployment, agent, command)
    assert client.read_until(b"READY012") == b"READY012"
    client.send("request\n")
    wait_until((agent.terminals.home / "received").exists)
    client.socket.ping("x")
    while client.socket.recv_data(control_frame=True) != (websocket.ABNF.OPCODE_PONG, b"x"):
        pass
    again = terminal(deployment, agent, "", client.reconnect)
    assert again.read_until(b"9\n") == b"READY0123456789\n"
    again.send("\n")
    assert again.read_all()
    assert again.end == 1000
    for _ in range(3):
        opcode, _ = client.socket.recv_data(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PING


def test_a_stall_can_have_an_end(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    After the given time a stalled terminal is closed with 1001.
    """
    deployment.faults.add("stall", route="pty", seconds=0.1)
    client = terminal(deployment, agent, "seq 1000000")
    assert (client.read_all(), client.end, client.reason) == (b"", 1001, "Ping failed")


def test_the_tail_is_lost(deployment: Deployment, agent: EmbeddedAgent, terminal: Open) -> None:
    """
    The last bytes before the end do not come, however many there are.
    """
    deployment.faults.add("lost_tail", route="pty", size=4)
    deployment.faults.add("lost_tail", route="pty", size=100, drop=True)
    client = terminal(deployment, agent, "printf 0123456789")
    assert (client.read_all(), client.end) == (b"012345", 1000)
    client = terminal(deployment, agent, "printf 0123456789")
    assert (client.read_all(), client.end) == (b"", "drop")


def test_what_was_written_earlier_is_no_tail(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Output comes a little later where a tail may be lost, and is whole where no end follows soon.
    """
    deployment.faults.add("lost_tail", route="pty", size=range(20, 30), within=0.05)
    client = terminal(deployment, agent, f"{RAW} read go; printf TAIL")
    client.read_until(b"READY")
    client.send("\n")
    assert (client.read_all(), client.end) == (b"READY", 1000)


def test_a_long_command_is_lost(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A command above the size just ends without having run; one that is not passes by.
    """
    fault = deployment.faults.add("lost_command", route="pty")
    long = "echo ran; : " + "x" * 900
    assert terminal(deployment, agent, "echo short").read_all() == b"short\r\n"
    client = terminal(deployment, agent, long)
    assert (client.read_all(), client.end) == (b"", 1000)
    assert fault.struck == 1
    assert terminal(deployment, agent, long).read_all() == b"ran\r\n"
    assert agent.terminals.commands == ["echo short", long]


def test_a_container_is_ignored(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    The command runs on the host, on demand or where the agent has no containers switched on.
    """
    deployment.faults.add("ignore_container", route="pty")
    command = "echo ${CODER_AGENT_TOKEN:-inside}"
    on_host = f"{agent.terminals.token}\r\n".encode()
    assert terminal(deployment, agent, command).read_all() == on_host
    assert terminal(deployment, agent, command, container="web").read_all() == on_host
    assert terminal(deployment, agent, command, container="web").read_all() == b"inside\r\n"
    agent.containers.enabled = False
    assert terminal(deployment, agent, command, container="web").read_all() == on_host


def test_a_slow_reader_on_demand(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    It is closed with 1001 in the middle of the output, and others get nothing until then.
    """
    fault = deployment.faults.add("slow_reader", route="pty", after_bytes=5, seconds=600)
    client = terminal(
        deployment, agent, f"{RAW} read go; seq 100000; touch done; echo END; read go"
    )
    client.read_until(b"READY")
    assert fault.wait_struck()
    other = terminal(deployment, agent, "", client.reconnect)
    other.send("\n")
    other.read_until(b"1\n")
    (process,) = agent.terminals.running.values()
    wait_until(lambda: len(process.replayed) == 65_536)
    done = agent.terminals.home / "done"
    threading.Event().wait(0.3)
    assert not done.exists()
    fault.release()
    client.read_all()
    assert (bytes(client.output), client.end) == (b"READY", 1001)
    other.read_until(b"100000\nEND\n")
    assert other.output.count(b"\n") == 100_001


@pytest.mark.parametrize("kill", [False, True])
def test_an_agent_disappears(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, kill: bool
) -> None:
    """
    The terminal falls silent but for pings, and the agent is disconnected; its processes live
    unless its machine is off.
    """
    deployment.faults.add("vanish", route="pty", after_input_bytes=3, kill=kill)
    client = terminal(deployment, agent, f"{RAW} echo $$; cat")
    client.read_until(b"\n")
    pid = int(client.output.removeprefix(b"READY"))
    client.send("abcdef")
    for _ in range(3):
        opcode, _ = client.socket.recv_data(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PING
    assert agent.data.status == "disconnected"
    with pytest.raises(websocket.WebSocketBadStatusException, match="502"):
        terminal(deployment, agent, "", client.reconnect)
    assert is_running(pid) is not kill
    if not kill:
        agent.connect()
        again = terminal(deployment, agent, "", client.reconnect)
        again.read_until(b"abc")
        assert b"abcd" not in again.output


def test_an_agent_disappears_before_it_attaches(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    After the handshake the agent is gone, and nothing was started.
    """
    fault = deployment.faults.add("vanish", route="pty")
    terminal(deployment, agent, "echo never")
    assert fault.wait_struck()
    wait_until(lambda: agent.data.status == "disconnected")
    assert agent.terminals.commands == []


def test_a_drop_after_bytes_of_output(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Exactly so many bytes come, whatever the messages; a replay counts like any output.
    """
    deployment.faults.add("drop", route="pty", after_bytes=0)
    deployment.faults.add("drop", route="pty", after_bytes=12_345)
    deployment.faults.add("reset", route="pty", after_bytes=range(10, 20))
    command = f"{RAW} seq 10000; read go"
    first = terminal(deployment, agent, command)
    assert (first.read_all(), first.end) == (b"", "drop")
    for least, most in ((12_345, 12_345), (10, 19)):
        client = terminal(deployment, agent, command, first.reconnect)
        assert least <= len(client.read_all()) <= most
        assert client.end == "drop"
    whole = b"READY" + b"".join(b"%d\n" % number for number in range(1, 10_001))
    last = terminal(deployment, agent, command, first.reconnect)
    assert last.read_until(b"\n10000\n") == whole
    assert agent.terminals.commands == [command]


def test_a_drop_after_bytes_of_input(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Exactly so many bytes of input arrive, whatever the frames.
    """
    deployment.faults.add("drop", route="pty", after_input_bytes=100_001)
    client = terminal(deployment, agent, f"{RAW} cat >input")
    client.read_until(b"READY")
    client.send("x" * 60_000)
    client.send("y" * 60_000)
    client.read_all()
    assert client.end == "drop"
    received = agent.terminals.home / "input"
    wait_until(lambda: received.read_bytes() == b"x" * 60_000 + b"y" * 40_001)


def test_a_fault_that_waits_for_certain_requests(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Only a request with the text in its path or query meets the fault.
    """
    deployment.faults.add("refuse", route="pty", containing="echo two", status=503)
    assert terminal(deployment, agent, "echo one").read_all() == b"one\r\n"
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        terminal(deployment, agent, "echo two")
    assert terminal(deployment, agent, "echo two").read_all() == b"two\r\n"


@pytest.mark.parametrize(
    ("kind", "options", "output", "end"),
    [
        ("close", {"after_bytes": 5, "code": 1011, "reason": "x"}, b"READY", 1011),
        ("error", {"after_bytes": 5}, b"READY", 1011),
        ("rolling_restart", {}, None, 1000),
        ("cut", {"after_bytes": 5, "at": 3}, b"READY", "drop"),
        ("split", {"after_bytes": 5, "at": 3}, b"READYabc", 1000),
        ("drip", {"after_bytes": 5}, b"READYabc", 1000),
        ("replace", {"after_bytes": 5, "text": "\x1b[2J"}, b"READY\x1b[2J", 1000),
        ("drip", {"at": "request"}, b"READYabc", 1000),
        ("delay", {}, b"READYabc", 1000),
    ],
)
def test_faults_of_other_streams_strike_terminals_too(
    deployment: Deployment,
    agent: EmbeddedAgent,
    terminal: Open,
    kind: str,
    options: dict[str, Any],
    output: bytes | None,
    end: object,
) -> None:
    """
    A fault of any WebSocket does to a terminal what it does to the others.
    """
    deployment.faults.add(kind, route="pty", **options)
    client = terminal(deployment, agent, f"{RAW} read go; printf abc")

    def type_when_raw() -> None:
        wait_until(lambda: any(b"READY" in each.replayed for each in processes()))
        with contextlib.suppress(
            OSError, websocket.WebSocketException
        ):  # the fault may have ended it
            client.send("\n")

    def processes() -> list[TerminalProcess]:
        return list(agent.terminals.running.values())

    typist = threading.Thread(target=type_when_raw)
    if output is not None:
        typist.start()
    client.read_all()
    if output is not None:
        typist.join()
    assert client.end == end
    assert output is None or client.output == output


def test_silence_ends_with_its_client(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A silent terminal answers nothing, and its process continues once the client has left.
    """
    fault = deployment.faults.add("silence", route="pty", after_bytes=5)
    client = terminal(deployment, agent, f"{RAW} seq 100000; touch done")
    client.read_until(b"READY")
    assert fault.wait_struck()
    client.close()
    wait_until((agent.terminals.home / "done").exists)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"kind": "stall", "route": "logs_follow"}, "stall needs the route pty, not logs_follow"),
        (
            {"kind": "stall", "route": "logs"},
            "stall does not support the route logs, which is rest",
        ),
        ({"kind": "drop", "route": "logs", "after_bytes": 1}, "after_bytes needs the route pty"),
        (
            {"kind": "drop", "route": "pty", "after": 1, "after_bytes": 1},
            "only one of after, after_bytes and after_input_bytes",
        ),
        (
            {"kind": "drop", "route": "pty", "after_input_bytes": 1, "after_bytes": 0},
            "only one of after, after_bytes and after_input_bytes",
        ),
        ({"kind": "drop", "route": "pty", "after_bytes": -1}, "must be a number of bytes"),
        ({"kind": "drop", "route": "pty", "after_bytes": range(0)}, "must be a number of bytes"),
        ({"kind": "drop", "route": "pty", "after_bytes": range(-1, 3)}, "must be a number of"),
        ({"kind": "never_attach", "route": "pty", "after_bytes": 1}, "after must be 0"),
        ({"kind": "lost_tail", "route": "pty", "after_input_bytes": 1}, "after must be 0"),
    ],
)
def test_faults_of_terminals_that_make_no_sense(
    deployment: Deployment, arguments: Any, problem: str
) -> None:
    """
    A fault of a terminal is refused on other routes, and at moments that do not exist.
    """
    with pytest.raises(ValueError, match=problem):
        deployment.faults.add(**arguments)
