"""
Terminals over sockets: what a user reads and types, and how they end.
"""

from __future__ import annotations

import signal
import threading
import time
import uuid
from typing import Any

import pytest
from markup import checked

from coder_agents import NotFoundError, ServerError, UnsupportedError
from coder_agents.errors import TerminalError, TerminalNotFoundError
from coder_agents.terminal.buffers import TerminalLimits
from coder_agents.testing import Deployment

from .conftest import LONG, RAW, Place, eventually, read_all, read_until

ALL_BYTES = r"i=0; while [ $i -lt 256 ]; do printf \\$(printf %o $i); i=$((i+1)); done"


def test_a_command_runs_and_ends(place: Place) -> None:
    """
    The output comes without a trace of the program that started the command, and then the end.
    """
    with place.agent.terminal("echo hello; exit 7") as terminal:
        assert b"".join(terminal) == b"hello\r\n"
        assert terminal.read() == b""
        assert terminal.read(0) == b""
        assert repr(terminal) == f"<Terminal {terminal.reconnect_id}, ended>"
        assert (terminal.reconnects, terminal.gaps) == (0, 0)
        shown = checked(terminal._repr_html_()).text
        assert shown == f"Terminal {terminal.reconnect_id}StateendedReconnects0Gaps0"
        with pytest.raises(TerminalError, match="has ended"):
            terminal.write("x")
        with pytest.raises(TerminalError, match="has ended"):
            terminal.resize(80, 25)
    assert place.ran(terminal.reconnect_id) == 1


def test_the_login_shell_answers_each_line(place: Place) -> None:
    """
    Without a command there is a login shell to type in.
    """
    with place.terminal() as terminal:
        read_until(terminal, b"# ")
        terminal.write("echo $((6*7))\r")
        assert b"\r\n42\r\n" in read_until(terminal, b"42\r\n")
        assert repr(terminal).endswith(", open>")
        terminal.write("exit\r")
        read_all(terminal)


def test_all_byte_values_arrive(newest: Place) -> None:
    """
    The output is exact where the terminal is raw.
    """
    with newest.terminal(RAW + ALL_BYTES) as terminal:
        assert read_all(terminal) == b"READY" + bytes(range(256))


def test_text_and_bytes_are_typed_exactly(newest: Place) -> None:
    """
    Text and UTF-8 arrive, also a character that is split between two calls, in large and small pieces.
    """
    typed = "zürich €\0\x03😀" * 12_000
    data = typed.encode()
    with newest.terminal(f"{RAW}head -c {2 * len(data) + 4}") as terminal:
        read_until(terminal, b"READY")
        terminal.write(typed)
        terminal.write(bytearray(data))
        for byte in "😀".encode():
            terminal.write(bytes([byte]))
        assert read_all(terminal) == data * 2 + "😀".encode()


def test_what_is_no_text_is_refused_before_it_is_sent(newest: Place) -> None:
    """
    The agent takes only UTF-8: anything else is an error here, and spoils nothing that comes after it.
    """
    with newest.terminal(RAW + "head -c 2") as terminal:
        read_until(terminal, b"READY")
        with pytest.raises(UnicodeDecodeError):
            terminal.write(b"\xff")
        terminal.write(b"\xc3")
        with pytest.raises(UnicodeDecodeError):
            terminal.write(b"a")
        with pytest.raises(UnicodeEncodeError):
            terminal.write("\ud800")
        with pytest.raises(TypeError, match="text or bytes, not int"):
            terminal.write(5)  # type: ignore[arg-type]
        terminal.write("")
        terminal.write(b"ok")
        assert read_all(terminal) == b"ok"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"size": (0, 24)}, ValueError, "width"),
        ({"size": (80, 65_536)}, ValueError, "height"),
        ({"size": (80.0, 24)}, TypeError, "width"),
        ({"size": (True, 24)}, TypeError, "width"),
        ({"size": 80}, TypeError, "size must be columns and rows, not 80"),
        ({"size": (80,)}, TypeError, "size must be columns and rows"),
        ({"command": "x" * 900}, ValueError, "too long"),
        ({"command": "a\0b"}, ValueError, "NUL"),
        ({"command": ["ls"]}, TypeError, "command must be text, not list"),
        ({"command": "ls", "reconnect_id": uuid.uuid4()}, ValueError, "command or reconnect_id"),
        ({"reconnect_id": "x"}, ValueError, "reconnect_id must be a UUID, not 'x'"),
        ({"reconnect_id": 5}, TypeError, "reconnect_id must be a UUID"),
        ({"container_user": "root"}, ValueError, "give container"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    newest: Place, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """
    No request is sent for what no terminal can be, and the error names the argument.
    """
    with pytest.raises(error, match=text):
        newest.agent.terminal(**options)
    assert newest.routes() == 0


def test_a_bad_timeout_or_size_of_an_open_terminal_is_refused(newest: Place) -> None:
    """
    A wait is a number of seconds from 0, and a size whole characters from 1.
    """
    with newest.terminal("sleep 60") as terminal:
        with pytest.raises(ValueError, match="timeout"):
            terminal.read(-1)
        with pytest.raises(ValueError, match="width"):
            terminal.resize(0, 5)
        with pytest.raises(TypeError, match="height"):
            terminal.resize(5, "5")  # type: ignore[arg-type]


def test_a_read_waits_no_longer_than_its_timeout(newest: Place) -> None:
    """
    None comes where there is no output in time, at once for 0.
    """
    with newest.terminal("sleep 60") as terminal:
        assert terminal.read(0) is None
        assert terminal.read(0.05) is None


def test_the_size_follows(place: Place) -> None:
    """
    The terminal begins with its size, and the program gets SIGWINCH when that changes.
    """
    # An agent sets the size just after the start.
    known = 'until [ "$(stty size)" != "0 0" ]; do sleep 0.05; done'
    command = (
        f"trap 'stty size' WINCH; {known}; stty size; echo READY; while :; do sleep 0.05; done"
    )
    with place.terminal(command, size=(100, 30)) as terminal:
        assert b"30 100\r\n" in read_until(terminal, b"READY\r\n")
        terminal.resize(90, 20)
        read_until(terminal, b"20 90\r\n")


def test_a_closed_terminal_lives_on_and_is_attached_again(place: Place) -> None:
    """
    The process keeps its state, and the end of its output comes again.
    """
    with place.terminal() as terminal:
        read_until(terminal, b"# ")
        terminal.write("name=value\r")
        read_until(terminal, b"# ")
    assert terminal.read() == b""
    assert repr(terminal).endswith(", closed>")
    terminal.close()
    known = str(terminal.reconnect_id)
    with place.agent.terminal(reconnect_id=known) as again:
        again.write("echo [$name]\r")
        assert b"name=value" in read_until(again, b"[value]")
        again.write("exit\r")
        read_all(again)
    assert place.ran(terminal.reconnect_id) == 1
    with pytest.raises(TerminalNotFoundError):
        place.terminal(reconnect_id=terminal.reconnect_id)
    with pytest.raises(TerminalNotFoundError):
        place.terminal(reconnect_id=uuid.uuid4())


def test_what_was_typed_before_closing_arrives(newest: Place) -> None:
    """
    Closing sends what waits.
    """
    home = newest.embedded.terminals.home
    with newest.terminal(RAW + "head -c 300000 >typed; mv typed done") as terminal:
        read_until(terminal, b"READY")
        terminal.write("x" * 300_000)
    eventually((home / "done").exists)
    assert (home / "done").read_bytes() == b"x" * 300_000


def test_kill_ends_the_session(place: Place) -> None:
    """
    The command and its children end, also those that ignore the first two signals.
    """
    with place.terminal(
        "trap '' HUP TERM; (trap '' HUP TERM; sleep 61) & echo A; wait"
    ) as terminal:
        read_until(terminal, b"A")
        assert len(place.embedded.terminals.running) == 1
        terminal.kill()
        assert terminal.read() == b""
    eventually(lambda: terminal.reconnect_id not in place.embedded.terminals.running)


def test_kill_needs_no_open_terminal(newest: Place) -> None:
    """
    What was closed can be killed, and what has ended needs no connection for that.
    """
    with newest.terminal("sleep 60") as terminal:
        pass
    terminal.kill()
    eventually(lambda: terminal.reconnect_id not in newest.embedded.terminals.running)
    with newest.terminal("true") as ended:
        read_all(ended)
        before = newest.routes()
        ended.kill()
        assert newest.routes() == before


def test_what_another_program_has_started_is_not_killed(newest: Place) -> None:
    """
    Without a record of the process there is nothing to kill, and that is an error.
    """
    with newest.terminal("sleep 60") as terminal:
        home = newest.embedded.terminals.home
        [record] = home.glob(".local/state/coder-agents/terminals/*/pid")
        record.unlink()
        with pytest.raises(TerminalNotFoundError):
            terminal.kill()


def test_kill_is_tried_again(newest: Place) -> None:
    """
    A terminal that never attaches, or drops, costs another try; three of them are an error.
    """
    limits = TerminalLimits(beginning=LONG, replay=LONG, kill=0.2)
    with newest.terminal("sleep 60", limits=limits) as terminal:
        newest.deployment.faults.add("never_attach", route="pty", times=3)
        with pytest.raises(TerminalError, match="did not confirm"):
            terminal.kill()
        newest.deployment.faults.clear()
    with newest.terminal("sleep 60") as terminal:
        newest.deployment.faults.add("drop", route="pty", after_bytes=0)
        terminal.kill()
    eventually(lambda: terminal.reconnect_id not in newest.embedded.terminals.running)


def test_a_terminal_runs_in_a_container(newest: Place) -> None:
    """
    The command runs in the container, also after a drop.
    """
    from coder_agents.schema import WorkspaceAgentContainer

    web = WorkspaceAgentContainer(id="f" * 64, name="web", running=True, status="running")
    newest.embedded.set_containers([web])
    with newest.agent.terminal("hostname; echo [$CODER_AGENT_TOKEN]", container="web") as terminal:
        assert read_all(terminal) == b"ffffffffffff\r\n[]\r\n"


def test_an_unknown_container_is_named_in_the_error(newest: Place) -> None:
    """
    Where no terminal begins in a container, the error names the container.
    """
    with pytest.raises(TerminalError, match="container 'missing': the agent started no terminal"):
        newest.terminal(container="missing")


def test_a_container_that_the_agent_ignores_is_an_error(newest: Place) -> None:
    """
    Nothing runs on the agent's machine where the container was wanted.
    """
    newest.deployment.faults.add("ignore_container", route="pty")
    with pytest.raises(UnsupportedError, match="container"):
        newest.agent.terminal("touch ran", container="web")
    assert not (newest.embedded.terminals.home / "ran").exists()


def test_an_agent_that_is_not_connected_is_an_error(newest: Place) -> None:
    """
    The call that opens raises what the deployment answers.
    """
    newest.embedded.disconnect()
    with pytest.raises(ServerError, match="Application Unavailable") as failure:
        newest.agent.terminal()
    assert newest.deployment.token not in str(failure.value)


def test_a_machine_without_a_posix_shell_is_an_error() -> None:
    """
    An agent that starts no terminal is not tried for ever.
    """
    with Deployment() as deployment:
        embedded = deployment.add_agent(operating_system="windows")
        with deployment.client() as client:
            place = Place(deployment, embedded, client.agent(str(embedded.id)))
            with pytest.raises(TerminalError, match="POSIX"):
                place.terminal("dir")
            assert place.routes() == 5


def test_a_home_that_cannot_be_written_is_an_error(newest: Place) -> None:
    """
    Where the record of the terminal cannot be made, nothing runs.
    """
    folder = newest.embedded.terminals.home / ".local"
    folder.write_text("no folder")
    with pytest.raises(TerminalError, match="cannot write"):
        newest.terminal("touch ran")
    assert not (newest.embedded.terminals.home / "ran").exists()


def test_a_client_that_is_closed_opens_nothing(newest: Place) -> None:
    """
    The error comes before any request.
    """
    newest.agent._http.close()
    with pytest.raises(RuntimeError, match="closed"):
        newest.agent.terminal()
    assert newest.routes() == 0


@pytest.mark.usefixtures("ctrl_c_counts")
def test_ctrl_c_ends_a_read_and_loses_nothing(newest: Place) -> None:
    """
    KeyboardInterrupt passes through a read, and the terminal can be used after it.
    """
    with newest.terminal(RAW + "head -c 1; echo bye") as terminal:
        read_until(terminal, b"READY")
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            terminal.read()
        timer.join()
        terminal.write("x")
        assert read_all(terminal) == b"xbye\n"


def test_closing_ends_a_read_of_another_thread(newest: Place) -> None:
    """
    Who waits for output gets the end.
    """
    with newest.terminal("sleep 60") as terminal:
        came: list[bytes | None] = []
        reader = threading.Thread(target=lambda: came.append(terminal.read()))
        reader.start()
        terminal.close()
        reader.join(LONG)
    assert came == [b""]


def test_a_quiet_terminal_costs_nothing(newest: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing runs while nothing comes: the thread waits, and is not woken.
    """
    from coder_agents.streams.poller import Poller

    waits: list[float] = []
    wait = Poller.wait

    def counted(self: Any, deadline: float) -> Any:
        waits.append(deadline)
        return wait(self, deadline)

    monkeypatch.setattr(Poller, "wait", counted)
    with newest.terminal(RAW + "sleep 60") as terminal:
        read_until(terminal, b"READY")
        before = len(waits)
        time.sleep(0.5)
        assert len(waits) - before <= 5


def test_an_agent_that_is_not_there_is_an_error(newest: Place) -> None:
    """
    The call that opens raises the deployment's own refusal, and tries nothing again.
    """
    headers = {"Content-Type": "application/json"}
    body = '{"message": "Resource not found."}'
    newest.deployment.faults.add("refuse", route="pty", status=404, body=body, headers=headers)
    with pytest.raises(NotFoundError):
        newest.terminal()
    assert newest.routes() == 1


def test_a_command_without_output_ends(place: Place) -> None:
    """
    The end comes with no output before it, however the release reports it.
    """
    with place.terminal("true") as terminal:
        assert read_all(terminal) == b""
