"""
Terminals of embedded agents: what is started, what it gets and what comes of it.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket
from pty_client import RAW, Open, is_running, wait_until

from coder_agents.testing import Deployment, EmbeddedAgent


@pytest.fixture(params=["2.24", "2.31"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment of both releases in turn.
    """
    with Deployment(release=request.param) as made:
        yield made


@pytest.fixture
def at_end(deployment: Deployment) -> object:
    """
    How a connection ends whose process has ended.
    """
    return "drop" if repr(deployment).startswith("<Deployment 2.24 ") else 1000


def test_output_of_a_command_comes_and_then_the_end(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, at_end: object
) -> None:
    """
    The lines end in CR LF, no exit code comes, and the end is that of the release.
    """
    client = terminal(deployment, agent, "echo hello; exit 7")
    assert client.read_all() == b"hello\r\n"
    assert (client.end, client.reason) == (at_end, "")
    assert agent.terminals.commands == ["echo hello; exit 7"]


def test_a_command_runs_in_a_session_and_a_home_of_its_own(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    The shell leads its session and group, starts at home, and knows terminal type and token.
    """
    script = 'ps -o pid=,pgid=,sid= -p $$; pwd; echo "$HOME $TERM $CODER_AGENT_TOKEN"; tty'
    lines = terminal(deployment, agent, script).read_all().decode().split("\r\n")
    assert len(set(lines[0].split())) == 1
    home = str(agent.terminals.home)
    assert lines[1:3] == [home, f"{home} xterm-256color {agent.terminals.token}"]
    assert lines[3].startswith("/dev/")


def test_no_variable_that_tells_of_a_deployment_is_inherited(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, monkeypatch: Any
) -> None:
    """
    A command does not get the variables of a deployment or a terminal that the tests run with.
    """
    monkeypatch.setenv("CODER_URL", "https://coder.example.com")
    monkeypatch.setenv("COLUMNS", "7")
    monkeypatch.setenv("ORDINARY", "yes")
    client = terminal(deployment, agent, 'echo "[$CODER_URL][$COLUMNS][$ORDINARY]"')
    assert client.read_all() == b"[][][yes]\r\n"


def test_signals_are_as_in_a_fresh_process(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A command ignores and blocks nothing, although Python ignores SIGPIPE.
    """
    client = terminal(deployment, agent, "grep -E '^Sig(Blk|Ign):' /proc/self/status")
    masks = [int(line.split()[1], 16) for line in client.read_all().splitlines()]
    # The two that the C library keeps for itself are not in use there.
    assert [mask & ~0x1_8000_0000 for mask in masks] == [0, 0]


def test_an_agent_has_the_shell_directory_and_environment_of_its_template(
    deployment: Deployment, terminal: Open, tmp_path: Path
) -> None:
    """
    The login shell runs the command where the template says, with its variables.
    """
    agent = deployment.add_agent(
        shell="/bin/bash", directory=tmp_path, environment={"COLOUR": "blue"}
    )
    client = terminal(deployment, agent, 'echo "$PWD $COLOUR $SHELL $0 ${BASH_VERSION:+bash}"')
    assert client.read_all().decode() == f"{tmp_path} blue /bin/bash /bin/bash bash\r\n"
    assert agent.data.directory == str(tmp_path)


def test_a_directory_that_is_not_there_is_the_home(
    deployment: Deployment, terminal: Open, tmp_path: Path
) -> None:
    """
    A command starts at home where the directory of the template does not exist.
    """
    agent = deployment.add_agent(directory=tmp_path / "missing")
    client = terminal(deployment, agent, "pwd")
    assert client.read_all().decode() == f"{agent.terminals.home}\r\n"


def test_a_script_is_run_by_what_its_first_line_names(
    deployment: Deployment, terminal: Open
) -> None:
    """
    The first line of a script goes before the login shell, and the script is an argument of it.
    """
    agent = deployment.add_agent(shell="/bin/bash")
    script = '#!/bin/sh\necho "$0 ${BASH_VERSION:-none}"'
    assert terminal(deployment, agent, script).read_all() == b"/bin/sh none\r\n"
    assert terminal(deployment, agent, "#!\necho $0").read_all() == b"/bin/bash\r\n"


def test_no_command_is_a_login_shell_to_type_in(
    deployment: Deployment, terminal: Open, at_end: object
) -> None:
    """
    A login shell answers each line, echoes what is typed, and ends by exit.
    """
    agent = deployment.add_agent(environment={"PS1": "# "})
    client = terminal(deployment, agent)
    client.read_until(b"# ")
    client.send("echo $((6*7)) $-\r")
    assert b"echo $((6*7)) $-\r\n42 " in client.read_until(b"\r\n# ")
    client.send("exit\r")
    assert client.read_all().endswith(b"exit\r\n")
    assert client.end == at_end


@pytest.mark.parametrize("command", ["nothing", "#!/no/such/shell\ntrue", "a\0b"])
def test_what_cannot_be_started_just_ends(
    deployment: Deployment, terminal: Open, at_end: object, command: str
) -> None:
    """
    The connection of a command that cannot be started ends without a byte.
    """
    agent = deployment.add_agent(shell="/no/such/shell" if command == "nothing" else "/bin/sh")
    client = terminal(deployment, agent, command)
    assert (client.read_all(), client.end) == (b"", at_end)
    assert agent.terminals.commands == []


def test_all_bytes_pass_a_raw_terminal_both_ways(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    After stty, each of the 256 byte values arrives, and input is exact but for being UTF-8.
    """
    text = "".join(map(chr, range(0x250)))
    size = len(text.encode())
    every = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i+1)); done'
    client = terminal(deployment, agent, f"{RAW} head -c {size}; {every}")
    client.read_until(b"READY")
    client.send(text)
    assert client.read_all() == b"READY" + text.encode() + bytes(range(256))


def test_a_line_is_cut_and_keys_are_signals_until_the_terminal_is_raw(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A cooked line keeps 4,095 characters and its end, and ^C interrupts.
    """
    client = terminal(deployment, agent, "stty -echo; printf READY; head -n 1 | wc -c; exec cat")
    client.read_until(b"READY")
    client.send("x" * 5_000 + "\r")
    assert client.read_until(b"\n").endswith(b"4096\r\n")
    client.send("\x03")
    assert client.read_all().endswith(b"4096\r\n")


def test_the_size_is_that_of_the_query_and_then_that_of_the_newest_client(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Sizes come with the query, with input, and with each client that attaches; 0 changes nothing.
    """
    command = f"{RAW} while head -c 1 >/dev/null; do stty size; done"
    client = terminal(deployment, agent, command, height=65_536 + 10, width="")
    client.read_until(b"READY")
    client.send("x")
    client.read_until(b"10 80\n")
    client.send(height=40, width=120)
    client.send("x", height=0, width=1)
    client.send(height=None)
    client.read_until(b"40 120\n")
    other = terminal(deployment, agent, "false", client.reconnect, height=7, width=9)
    other.send("x")
    client.read_until(b"7 9\n")
    assert other.read_until(b"7 9\n") == client.output


def test_a_terminal_is_joined_again_while_it_runs(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, at_end: object
) -> None:
    """
    The output so far is replayed, the process continues, and the other command never runs.
    """
    command = "echo before; read line; echo after $line"
    first = terminal(deployment, agent, command)
    first.read_until(b"before\r\n")
    first.close()
    (process,) = agent.terminals.running.values()
    wait_until(lambda: not process.clients)
    second = terminal(deployment, agent, "echo never", first.reconnect)
    second.read_until(b"before\r\n")
    second.send("me\r")
    assert second.read_all() == b"before\r\nme\r\nafter me\r\n"
    assert second.end == at_end
    assert agent.terminals.commands == [command]


def test_the_last_65536_bytes_are_replayed(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A process continues without clients, and its last bytes are replayed exactly.
    """
    first = terminal(deployment, agent, f"{RAW} read go; seq 100000; printf END; read go")
    first.read_until(b"READY")
    first.send("\n")
    first.close()
    whole = b"READY" + b"".join(b"%d\n" % i for i in range(1, 100_001)) + b"END"
    (process,) = agent.terminals.running.values()
    wait_until(lambda: process.replayed.endswith(b"END"))
    second = terminal(deployment, agent, "", first.reconnect)
    assert second.read_until(b"END") == whole[-65_536:]


def test_a_terminal_that_has_ended_starts_its_command_again(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    The same id and command after the end run a second time.
    """
    first = terminal(deployment, agent, "echo started $$; exit 3")
    assert first.read_all().startswith(b"started ")
    second = terminal(deployment, agent, "echo started $$; exit 3", first.reconnect)
    assert second.read_all().startswith(b"started ")
    assert second.output != first.output
    assert agent.terminals.commands == ["echo started $$; exit 3"] * 2


def test_several_clients_see_all_output(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, at_end: object
) -> None:
    """
    What is written reaches each client of the id, and so does the end.
    """
    first = terminal(deployment, agent, f"{RAW} read go; echo done")
    first.read_until(b"READY")
    second = terminal(deployment, agent, "", first.reconnect)
    second.read_until(b"READY")
    second.send("\n")
    assert first.read_all() == second.read_all() == b"READYdone\n"
    assert (first.end, second.end) == (at_end, at_end)


def test_a_terminal_that_is_left_alone_is_hung_up(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    After the time-out the shell gets SIGHUP, and a process with a session of its own lives on.
    """
    assert agent.terminals.timeout == 300
    # The child reports itself once it has its session: before that it would get the signal, too.
    command = (
        "trap 'echo hup >hup; exit' HUP; setsid sh -c 'echo $$; exec sleep 600' &"
        " while :; do sleep .01; done"
    )
    client = terminal(deployment, agent, command)
    child = int(client.read_until(b"\n"))
    (process,) = agent.terminals.running.values()
    client.close()
    wait_until(lambda: not process.clients)
    agent.terminals.timeout = 0.01
    wait_until(lambda: not agent.terminals.running)
    wait_until((agent.terminals.home / "hup").exists)
    wait_until(lambda: not is_running(process.pid))
    assert is_running(child)
    agent.kill()
    assert not is_running(child)


def test_a_terminal_ends_with_the_last_process_that_has_it_open(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, at_end: object
) -> None:
    """
    A child in a session of its own delays the end, and a child whose outputs lead elsewhere does not.
    """
    elsewhere = "</dev/null >/dev/null 2>&1"
    client = terminal(deployment, agent, f"setsid sleep 600 {elsewhere} & echo x")
    assert (client.read_all(), client.end) == (b"x\r\n", at_end)
    # The shell stays until the child has left its session, which a hang-up would end too.
    client = terminal(deployment, agent, "setsid sh -c 'echo $$; exec sleep 600' & read go")
    child = int(client.read_until(b"\n"))
    client.send("\r")
    (process,) = agent.terminals.running.values()
    wait_until(lambda: not is_running(process.pid))
    assert agent.terminals.running
    os.kill(child, signal.SIGKILL)
    client.read_all()
    assert client.end == at_end


def test_nothing_is_left_of_terminals_when_their_agent_ends(
    deployment: Deployment, terminal: Open
) -> None:
    """
    Processes that ignore SIGHUP, have sessions of their own, or their children, are all killed.
    """
    agent = deployment.add_agent()
    command = (
        "trap '' HUP; setsid sh -c 'echo $$; sleep 600' & sleep 600 & echo $!; "
        "(setsid setsid sleep 600 & echo $!); setsid env -i sleep 600 & echo $!; echo $$; read go"
    )
    client = terminal(deployment, agent, command)
    wait_until(lambda: client.read() and client.output.count(b"\n") == 5)
    children = [int(line) for line in client.output.split()]
    home = agent.terminals.home
    deployment.close()
    assert not any(is_running(child) for child in children)
    assert not home.exists()
    assert client.read_all()
    assert client.end == 1000


def test_a_hundred_terminals_leave_nothing(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A process that has ended leaves no entry, descriptor, thread or zombie.
    """
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        assert terminal(deployment, agent, "echo x").read_all() == b"x\r\n"
    assert agent.terminals.running == {}
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before + 101)
    assert deployment.connections.wait_open(0)
    assert repr(agent.terminals) == "<Terminals: 100 started, 0 running>"


def test_an_agent_that_is_killed_ends_its_terminals(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, at_end: object
) -> None:
    """
    The clients of an agent that is killed are let go, and nothing is started there again.
    """
    client = terminal(deployment, agent, f"{RAW} sleep 600")
    client.read_until(b"READY")
    agent.kill()
    client.read_all()
    assert client.end == at_end
    agent.connect()
    again = terminal(deployment, agent, "echo never")
    assert (again.read_all(), again.end) == (b"", at_end)


def test_a_restart_of_the_agent_hangs_up(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, at_end: object
) -> None:
    """
    A restart of the agent's program ends each terminal, and the same id starts a new process.
    """
    client = terminal(deployment, agent, f"{RAW} sleep 600")
    client.read_until(b"READY")
    agent.terminals.hang_up()
    client.read_all()
    assert client.end == at_end
    assert terminal(deployment, agent, "echo anew", client.reconnect).read_all() == b"anew\r\n"


def test_a_restart_of_the_deployment_leaves_terminals_running(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A deployment that shuts down closes with 1000, and the terminal is joined again afterwards.
    """
    client = terminal(deployment, agent, f"{RAW} read go; echo done")
    client.read_until(b"READY")
    deployment.restart()
    client.read_all()
    assert client.end == 1000
    again = terminal(deployment, agent, "", client.reconnect)
    again.send("\n")
    assert again.read_all() == b"READYdone\n"


def test_an_agent_out_of_touch_passes_nothing_until_it_is_back(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Input and output wait for an agent whose network fails, and nothing of them is lost.
    """
    client = terminal(deployment, agent, f"{RAW} cat")
    client.read_until(b"READY")
    agent.disconnect()
    client.send("input")
    client.socket.settimeout(0.1)
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.read()
    agent.connect()
    client.socket.settimeout(10)
    assert client.read_until(b"input") == b"READYinput"


def test_a_new_build_has_the_same_machine(deployment: Deployment, terminal: Open) -> None:
    """
    The agent of the next build has the shell of the one before, and a home of its own.
    """
    agent = deployment.add_agent(shell="/bin/bash")
    newer = agent.new_build()
    assert terminal(deployment, newer, "echo $SHELL").read_all() == b"/bin/bash\r\n"
    assert newer.terminals.home != agent.terminals.home


def test_an_operating_system_has_to_be_known(deployment: Deployment) -> None:
    """
    An agent of a system that no agent runs on is refused.
    """
    with pytest.raises(ValueError, match=r"operating_system must be one of .*, not 'plan9'"):
        deployment.add_agent(operating_system="plan9")


def test_two_agents_have_terminals_of_their_own(deployment: Deployment, terminal: Open) -> None:
    """
    The same id is another terminal on another agent.
    """
    reconnect = uuid.uuid4()
    one, other = deployment.add_agent("one"), deployment.add_agent("other")
    first = terminal(deployment, one, "echo one; read go", reconnect)
    second = terminal(deployment, other, "echo other; read go", reconnect)
    assert first.read_until(b"\n") + second.read_until(b"\n") == b"one\r\nother\r\n"
