"""
Commands over the embedded deployment's terminals: exact, once, and an error where that cannot be.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from coder_agents import (
    Agent,
    APIError,
    AuthenticationError,
    Client,
    CommandError,
    CommandLostError,
    CommandTimeoutError,
    CompletedCommand,
    ContainerNotFoundError,
    ControlShellError,
    ShellError,
    UnsupportedError,
)
from coder_agents.jobs import launch
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.program import bootstrap
from coder_agents.jobs.sinks import Sink
from coder_agents.schema import WorkspaceAgentContainer
from coder_agents.testing import Deployment, EmbeddedAgent

from .test_running import alive

LIMIT = 60  # seconds after which a test has failed


def job_folders(home: Path) -> list[Path]:
    """
    Return the folders of jobs that are left, but for those that only keep a late start from running.
    """
    found = sorted((home / ".local/state/coder-agents/jobs").glob("[!.]*"))
    return [each for each in found if not (each / "removed.0").exists()]


def until(condition: Callable[[], object]) -> None:
    """
    Wait for *condition*: a folder is deleted after the command's end was reported.
    """
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_command_returns_its_code_and_both_outputs(agent: Agent) -> None:
    """
    A completed command is one of subprocess, with its arguments, code, outputs and duration.
    """
    done = agent.run("echo out; echo err >&2; exit 7")
    assert isinstance(done, CompletedCommand)
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.args, done.returncode) == ("echo out; echo err >&2; exit 7", 7)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert done.duration > 0
    assert not done.truncated
    with pytest.raises(CommandError, match="exited with the code 7") as caught:
        done.check_returncode()
    assert (caught.value.stdout, caught.value.stderr) == (b"out\n", b"err\n")
    assert agent.run("true").check_returncode() is None  # type: ignore[func-returns-value]


def test_a_death_by_signal_is_negative_and_named(agent: Agent) -> None:
    """
    A command that a signal ends has the negative number, and the error names the signal.
    """
    with pytest.raises(CommandError, match=r"signal 9 \(SIGKILL\)") as caught:
        agent.run("kill -9 $$", check=True)
    assert caught.value.returncode == -9
    assert "40" in str(_error(lambda: CompletedCommand("x", -40).check_returncode()))


def _error(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return caught.value


def test_all_bytes_pass_in_both_directions(agent: Agent) -> None:
    """
    Input and outputs are exact: all byte values, no newline at the end.
    """
    data = bytes(range(256)) * 40
    assert agent.run("cat; printf end >&2", input=data).stdout == data
    assert agent.run("cat", input=bytearray(b"a")).stdout == b"a"
    assert agent.run("cat", input=memoryview(b"b")).stdout == b"b"
    assert agent.run("cat", input=b"").stdout == b""
    assert agent.run("cat").stdout == b""


def test_input_of_several_pieces_passes(agent: Agent, tmp_path: Path) -> None:
    """
    A file is read piece by piece, from where it stands; also one that is open as text.
    """
    data = os.urandom(2 * 2**20 + 7)
    path = tmp_path / "input"
    path.write_bytes(data)
    with path.open("rb") as file:
        file.seek(7)
        assert agent.run("cksum", input=file).stdout.split()[1] == b"%d" % (len(data) - 7)
    with path.open("rb") as file:
        assert agent.run("cat", stdin=file).stdout == data
    text = tmp_path / "text"
    text.write_text("ü\n", encoding="utf-8")
    with text.open(encoding="utf-8") as lines:
        assert agent.run("cat", stdin=lines).stdout == "ü\n".encode()  # type: ignore[arg-type]


def test_a_list_is_executed_as_it_is(agent: Agent) -> None:
    """
    No shell reads the arguments of a list, which may be text, bytes or paths.
    """
    words = ["printf", "%s|", "a b", "$HOME", "'", b"\xff", PurePosixPath("/x"), "ü", ""]
    done = agent.run(words)  # type: ignore[arg-type]
    assert done.stdout == b"a b|$HOME|'|\xff|/x|\xc3\xbc||"
    assert done.args is words


def test_shells_are_chosen_as_in_subprocess(agent: Agent) -> None:
    """
    A string is run by /bin/sh, by another shell, or by the one that ``shell=True`` means.
    """
    assert agent.run("echo $0").stdout == b"/bin/sh\n"
    assert agent.run("echo $0", shell=True).stdout == b"/bin/sh\n"
    assert agent.run(b"echo $0", shell=False).stdout == b"/bin/sh\n"  # type: ignore[arg-type]
    assert agent.run("echo $BASH_VERSION", shell="/bin/bash").stdout != b"\n"
    assert agent.run(["echo $0 $1", "a", "b"], shell=True).stdout == b"a b\n"


def test_text_is_decoded_as_in_subprocess(agent: Agent) -> None:
    """
    Any of the words for text makes the outputs text, with all ends of lines as newlines.
    """
    assert agent.run(r"printf 'a\r\nb\rc\n'", text=True).stdout == "a\nb\nc\n"
    assert agent.run("cat", input="ü", universal_newlines=True).stdout == "ü"
    assert agent.run("cat", input="ü", encoding="latin-1").stdout == "ü"
    assert agent.run(r"printf '\377'", errors="replace").stdout == "�"
    assert agent.run("true", text=True).stderr == ""
    with pytest.raises(UnicodeDecodeError):
        agent.run(r"printf '\377'", text=True)


def test_outputs_go_to_files_functions_and_numbers(agent: Agent, tmp_path: Path) -> None:
    """
    An output goes where it is wanted, and is then not captured.
    """
    raw = io.BytesIO()
    pieces: list[bytes] = []
    done = agent.run("echo out; echo err >&2", stdout=raw, stderr=pieces.append)
    assert (raw.getvalue(), b"".join(pieces)) == (b"out\n", b"err\n")
    assert (done.stdout, done.stderr) == (None, None)
    with (tmp_path / "text").open("w", encoding="utf-8") as file:
        file.write("before\n")
        agent.run("echo out; echo err >&2", stdout=file, stderr=subprocess.STDOUT)
    assert (tmp_path / "text").read_text(encoding="utf-8") == "before\nout\nerr\n"
    with (tmp_path / "raw").open("wb", buffering=0) as file_without_buffer:
        agent.run("echo out", stdout=file_without_buffer)
        agent.run("echo more", stdout=file_without_buffer.fileno())
    assert (tmp_path / "raw").read_bytes() == b"out\nmore\n"


def test_outputs_are_merged_and_discarded(agent: Agent) -> None:
    """
    STDOUT merges in the order of writing, DEVNULL discards, PIPE and capture_output capture.
    """
    merged = agent.run("echo a; echo b >&2; echo c", stderr=subprocess.STDOUT)
    assert (merged.stdout, merged.stderr) == (b"a\nb\nc\n", None)
    nothing = agent.run("echo a; echo b >&2", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert (nothing.stdout, nothing.stderr) == (None, None)
    assert agent.run("echo a", stdout=subprocess.PIPE).stdout == b"a\n"
    assert agent.run("echo a", capture_output=True, stdin=subprocess.DEVNULL).stdout == b"a\n"
    assert agent.run("cat", stdin=subprocess.PIPE).stdout == b""


def test_no_more_than_max_output_is_captured(agent: Agent) -> None:
    """
    The first bytes are kept, a character that is cut is left away, and the rest is not transferred.
    """
    done = agent.run("printf üüü; printf 12345 >&2", max_output=5, text=True)
    assert (done.stdout, done.stderr, done.truncated) == ("üü", "12345", True)
    huge = agent.run("head -c 30000000 /dev/zero", max_output=10)
    assert (huge.stdout, huge.truncated) == (bytes(10), True)


def test_a_large_output_is_exact(agent: Agent) -> None:
    """
    Both outputs of several pieces are exact.
    """
    done = agent.run("seq 1 200000; seq 1 100000 >&2")
    assert done.stdout == b"".join(b"%d\n" % n for n in range(1, 200001))
    assert done.stderr == b"".join(b"%d\n" % n for n in range(1, 100001))


def test_folder_and_environment_are_those_of_the_command(agent: Agent, tmp_path: Path) -> None:
    """
    *cwd* may be a path and begin with the home, and *env* is added to the environment.
    """
    assert agent.run("pwd", cwd=tmp_path).stdout == b"%s\n" % os.fsencode(tmp_path)
    assert agent.run("pwd; echo ~", cwd="~").stdout.split(b"\n")[0] != b"~"
    home = agent.run("mkdir 'a b'; pwd", cwd="~").stdout.strip()
    assert agent.run("pwd", cwd="~/a b").stdout == home + b"/a b\n"
    done = agent.run('echo "$A|$HOME"', env={"A": "x 'y' $z"})
    assert done.stdout == b"x 'y' $z|" + home + b"\n"


def test_a_folder_that_is_missing_is_an_error_that_names_it(agent: Agent, home: Path) -> None:
    """
    Nothing was run, and nothing is left; the cause is Python's own error.
    """
    with pytest.raises(ShellError, match=r"not started in '/missing': No such file") as caught:
        agent.run("touch ran", cwd="/missing", input=b"x")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert job_folders(home) == []


BAD: list[tuple[type[Exception], dict[str, Any]]] = [
    (TypeError, {"command": 5}),
    (TypeError, {"command": bytearray(b"ls")}),
    (TypeError, {"command": ["ls", 5]}),
    (ValueError, {"command": []}),
    (ValueError, {"command": [], "shell": True}),
    (ValueError, {"command": "a\0b"}),
    (ValueError, {"command": [""]}),
    (TypeError, {"shell": 5}),
    (TypeError, {"env": [("a", "b")]}),
    (TypeError, {"env": {"a": 5}}),
    (ValueError, {"env": {"a b": "c"}}),
    (TypeError, {"cwd": 5}),
    (TypeError, {"cwd": b"/"}),
    (ValueError, {"cwd": ""}),
    (ValueError, {"cwd": "a\0"}),
    (TypeError, {"input": 5}),
    (TypeError, {"input": io.StringIO("x")}),
    (UnicodeEncodeError, {"input": "ü", "encoding": "ascii"}),
    (ValueError, {"input": b"", "stdin": subprocess.PIPE}),
    (TypeError, {"stdin": 7}),
    (TypeError, {"stdout": 1.5}),
    (TypeError, {"stdout": True}),
    (TypeError, {"stdout": io.StringIO()}),
    (ValueError, {"stdout": subprocess.STDOUT}),
    (ValueError, {"stdout": subprocess.PIPE, "capture_output": True}),
    (LookupError, {"encoding": "no such"}),
    (LookupError, {"errors": "no such"}),
    (TypeError, {"timeout": "5"}),
    (ValueError, {"timeout": -1}),
    (TypeError, {"max_output": 1.5}),
    (ValueError, {"max_output": -1}),
    (ValueError, {"container_user": "root"}),
    (ValueError, {"container": "a b"}),
    (TypeError, {"container": 5}),
]


@pytest.mark.parametrize(("kind", "arguments"), BAD, ids=range(len(BAD)))
def test_bad_arguments_are_refused_before_anything_is_sent(
    deployment: Deployment, agent: Agent, kind: type[Exception], arguments: dict[str, Any]
) -> None:
    """
    A bad argument is an error of Python's own, and no request was sent.
    """
    before = len(deployment.requests)
    with pytest.raises(kind):
        agent.run(**{"command": "true", **arguments})
    assert len(deployment.requests) == before


def test_a_text_file_as_input_is_refused(agent: Agent) -> None:
    """
    An object whose read returns text is no input.
    """

    class Text:
        def read(self, size: int) -> str:
            return "x" * size

    with pytest.raises(TypeError, match='"rb"'):
        agent.run("cat", input=Text())  # type: ignore[arg-type]


def test_a_timeout_ends_the_whole_group_and_keeps_the_output(agent: Agent, home: Path) -> None:
    """
    The error is subprocess's, has what was written so far, and no process of the group is left.
    """
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        agent.run("echo $$; printf ü | head -c 1; sleep 300 & sleep 300", timeout=1.5, text=True)
    assert isinstance(caught.value, CommandTimeoutError)
    group, rest = caught.value.output.split("\n")
    assert rest == ""
    assert caught.value.timeout == 1.5
    assert alive(int(group)) == []
    until(lambda: job_folders(home) == [])
    with pytest.raises(CommandTimeoutError):
        agent.run("sleep 300", timeout=0, stdout=subprocess.DEVNULL)


def test_a_watchdog_that_does_not_bark_is_replaced(
    agent: Agent, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where the agent does not keep the time-out, the client does.
    """
    monkeypatch.setattr("coder_agents.jobs.run._WATCHDOG", -59.0)
    with pytest.raises(CommandTimeoutError) as caught:
        agent.run("echo $$; sleep 300", timeout=60)
    assert alive(int(caught.value.output)) == []
    until(lambda: job_folders(home) == [])


def test_a_discarded_output_is_not_kept() -> None:
    """
    What an agent sends in spite of DEVNULL goes nowhere.
    """
    sink = Sink.of("stdout", subprocess.DEVNULL, 5)
    sink.write(b"x")
    assert sink.captured is None


def test_check_raises_the_error_of_subprocess(agent: Agent) -> None:
    """
    A script that catches subprocess's own error sees all that it expects.
    """
    with pytest.raises(subprocess.CalledProcessError) as caught:
        agent.run("echo out; exit 3" + " " * 300, check=True, text=True)
    assert (caught.value.returncode, caught.value.output) == (3, "out\n")
    assert "exited with the code 3" in str(caught.value)


SCRIPT = """
import subprocess
def script(run):
    made = run(["sh", "-c", "echo made"], capture_output=True, text=True, check=True)
    seen = [made.stdout, made.returncode]
    piped = run("tr a-z A-Z", shell=True, input="text", stdout=subprocess.PIPE, text=True)
    seen.append(piped.stdout)
    try:
        run(["sh", "-c", "exit 4"], check=True)
    except subprocess.CalledProcessError as error:
        seen.append(error.returncode)
    try:
        run(["sleep", "100"], timeout=0.5)
    except subprocess.TimeoutExpired as error:
        seen.append(round(error.timeout, 1))
    with open("out.txt", "w") as file:
        run("echo to a file; echo err >&2", shell=True, stdout=file, stderr=subprocess.STDOUT)
    seen.append(open("out.txt").read())
    seen.append(run(["cat"], stdin=open("out.txt"), stdout=subprocess.PIPE).stdout)
    seen.append(run("exit 9", shell=True, stdout=subprocess.DEVNULL).returncode)
    return seen
"""


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_script_for_subprocess_needs_only_the_other_name(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The same script sees the same with subprocess.run and with Agent.run.
    """
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(SCRIPT, names)
    assert names["script"](agent.run) == names["script"](subprocess.run)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop", "after_bytes": 40},
        {"kind": "reset", "after_bytes": 60},
        {"kind": "drop", "after_bytes": 100},
        {"kind": "reset", "after_bytes": 3000},
        {"kind": "close", "after_bytes": 100, "code": 1001},
        {"kind": "stall", "after_bytes": 100},
        {"kind": "stall", "after_bytes": 3000},
        {"kind": "never_attach"},
        {"kind": "lost_tail"},
        {"kind": "not_connected", "times": 2},
        {"kind": "close", "after_bytes": 100, "code": 1000},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('after_bytes', 0)}",
)
def test_whatever_breaks_the_command_runs_once_and_no_byte_is_lost(
    deployment: Deployment, impatient: Agent, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """
    With each fault the outputs are whole, and a counter on the agent says that the command ran once.
    """
    ran = tmp_path / "ran"
    kind = fault.pop("kind")
    deployment.faults.add(kind, route="pty", **fault)
    done = impatient.run(f"echo x >>{ran}; cat; seq 1 2000; echo err >&2; exit 5", input=b"input\n")
    assert done.stdout == b"input\n" + b"".join(b"%d\n" % n for n in range(1, 2001))
    assert (done.stderr, done.returncode) == (b"err\n", 5)
    assert ran.read_text() == "x\n"


def test_a_lost_agent_says_whether_the_command_had_started(
    deployment: Deployment, embedded: EmbeddedAgent, tmp_path: Path
) -> None:
    """
    The error comes within the read time-out, names the job, and the command is not started again.
    """
    ran = tmp_path / "ran"
    with deployment.client(timeout=2) as client:
        agent = client.agent(str(embedded.id))
        agent.run("true")
        with pytest.raises(CommandLostError) as caught:
            agent.run(
                f"echo x >>{ran}; echo; sleep 2; echo x >>{ran}.end",
                stdout=lambda _: embedded.disconnect(),
            )
        assert caught.value.started is True
        assert "had started" in str(caught.value)
        with pytest.raises(CommandLostError) as before:
            agent.run(f"echo y >>{ran}")
        assert before.value.started is False
        text = f"main: job {before.value.job_id}: the agent cannot be reached"
        reason = "status 502, as for an agent that is not connected"
        assert str(before.value).endswith(f"{text} ({reason}): the command had not started")
        assert before.value.__cause__ is not None
        embedded.connect()
        assert agent.job(caught.value.job_id).wait(LIMIT) == 0
    assert ran.read_text() == "x\n"


def test_a_start_without_an_answer_is_not_known(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    Where the request was sent and no answer came, whether the command started is not known.
    """
    with deployment.client(timeout=3) as client:
        agent = client.agent(str(embedded.id))
        agent.run("true")
        deployment.faults.add("stall", route="pty", after_bytes=1, times=None)
        embedded.disconnect()
        with pytest.raises(CommandLostError) as caught:
            agent.start_job("sleep 0.1")
    assert caught.value.started in (None, False)


def test_a_command_whose_input_did_not_arrive_has_not_started(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    Where a piece of the input was sent and no answer came, the command had certainly not started.
    """
    with deployment.client(timeout=0.5) as client:
        agent = client.agent(str(embedded.id))
        deployment.faults.add("stall", route="pty", after_bytes=100, times=None)
        with pytest.raises(CommandLostError, match="had not started") as caught:
            agent.run("cat", input=b"x")
    assert caught.value.started is False


def test_a_start_that_arrives_after_an_interrupt_starts_nothing(agent: Agent, home: Path) -> None:
    """
    A start that was sent, and reaches the agent after its job was abandoned, is refused there.
    """
    handle = JobHandle(shells=agent._shells(None, None), id=launch.new_id())
    streams: dict[str, Any] = {"stdin": "none", "stdout": None, "stderr": None}
    request = launch.start_request(
        handle.id, "touch ~/ran", **streams, cwd=None, env=None, shell=None, timeout=None, wait=0
    )
    with pytest.raises(KeyboardInterrupt), launch.abandoned_on_error(handle) as loan:
        loan.was_sent = True
        raise KeyboardInterrupt
    assert handle.start(request).state == "new"
    assert (job_folders(home), agent.jobs()) == ([], [])
    assert not (home / "ran").exists()


def test_a_start_that_was_faster_than_its_removal_is_killed(
    agent: Agent, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A command that starts while its job is abandoned is ended, and its folder is deleted.
    """
    handle = JobHandle(shells=agent._shells(None, None), id=launch.new_id())
    streams: dict[str, Any] = {"stdin": "none", "stdout": None, "stderr": None}
    request = launch.start_request(
        handle.id, "sleep 600", **streams, cwd=None, env=None, shell=None, timeout=None, wait=0
    )
    kill, kills = launch.kill, []

    def kill_and_start(job: JobHandle) -> None:
        kills.append(job.id)
        try:
            kill(job)
        finally:
            if len(kills) == 1:
                handle.start(request)

    monkeypatch.setattr(launch, "kill", kill_and_start)
    with pytest.raises(KeyboardInterrupt), launch.abandoned_on_error(handle) as loan:
        loan.was_sent = True
        raise KeyboardInterrupt
    assert len(kills) == 2
    assert agent.jobs() == []
    until(lambda: job_folders(home) == [])


def test_refusals_are_those_of_the_deployment(deployment: Deployment, agent: Agent) -> None:
    """
    A refusal is the typed error of REST calls, and is not tried again.
    """
    deployment.faults.add("refuse", route="pty", status=401, message="no")
    with pytest.raises(AuthenticationError):
        agent.run("true")


def test_ctrl_c_kills_the_command_and_passes(agent: Agent, home: Path, tmp_path: Path) -> None:
    """
    The process group is gone and its folder, too, once KeyboardInterrupt has passed.
    """
    pid = tmp_path / "pid"

    def interrupt() -> None:
        deadline = time.monotonic() + LIMIT
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        agent.run(f"echo $$ >{pid}; sleep 300")
    thread.join()
    assert alive(int(pid.read_text())) == []
    assert job_folders(home) == []
    assert agent.run("echo on").stdout == b"on\n"


@pytest.mark.parametrize("point", ["write_input", "start", "_followed", "_result"])
def test_an_interrupt_between_two_lines_leaves_no_process(
    agent: Agent, home: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """
    Wherever the interrupt comes, it passes and neither a process nor a folder is left.
    """
    from coder_agents.jobs import run

    place = {"write_input": launch, "start": JobHandle}.get(point, run)
    true = getattr(place, point)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        true(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(place, point, interrupted)
    with pytest.raises(KeyboardInterrupt):
        agent.run("echo hi", input=b"x")
    until(lambda: job_folders(home) == [])


def test_an_exception_of_a_function_kills_the_command(agent: Agent, tmp_path: Path) -> None:
    """
    An exception of the function that takes the output is passed on, and the command is killed.
    """

    def fail(data: bytes) -> None:
        raise RuntimeError(data.decode())

    with pytest.raises(RuntimeError) as caught:
        agent.run("echo $$; sleep 300", stdout=fail)
    assert alive(int(str(caught.value))) == []


KILLED = """
import os, sys, threading
from coder_agents import Client
agent = Client(sys.argv[1], sys.argv[2]).agent(sys.argv[3])
def seen(data):
    print(data.decode().strip(), flush=True)
agent.run("echo $$; sleep 300", timeout=3, stdout=seen)
"""


def test_the_watchdog_of_the_agent_ends_what_a_killed_client_started(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    The time-out holds where the client has vanished by SIGKILL.
    """
    command = [sys.executable, "-c", KILLED, deployment.url, deployment.token, str(embedded.id)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        group = int(client.stdout.readline())
        client.kill()
    deadline = time.monotonic() + LIMIT
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(group) == []


def test_eight_threads_share_one_agent_and_two_clients_one_machine(
    deployment: Deployment, agent: Agent, home: Path
) -> None:
    """
    Each thread gets its own output, and nothing is left.
    """
    wrong: list[object] = []
    with deployment.client() as other:
        agents = [agent, other.agent(str(agent.id))]

        def work(number: int) -> None:
            for turn in range(4):
                text = f"{number}.{turn}"
                done = agents[number % 2].run("cat; echo $A >&2", input=text, env={"A": text})
                if (done.stdout, done.stderr) != (text.encode(), f"{text}\n".encode()):
                    wrong.append((text, done))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    until(lambda: job_folders(home) == [])


def test_one_connection_serves_many_commands(deployment: Deployment, agent: Agent) -> None:
    """
    The control shell is kept open: a run from nothing needs one connection, and the next ones none.
    """
    for _ in range(3):
        agent.run("true")
    assert ["/pty" in request.target for request in deployment.requests].count(True) == 1


def test_no_secret_is_in_a_url_or_a_log(
    deployment: Deployment, agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The command, its environment and its input go over the terminal, and the URL has a short bootstrap alone.
    """
    caplog.set_level("DEBUG")
    done = agent.run(
        "echo $SECRET; cat; : hunter2", env={"SECRET": "hunter2"}, input=b"hunter2", text=True
    )
    assert done.stdout == "hunter2\nhunter2"
    targets = [request.target for request in deployment.requests if "/pty" in request.target]
    assert len(targets) == 1
    assert len(targets[0]) < 1500
    assert "hunter2" not in targets[0] + caplog.text
    with pytest.raises(CommandTimeoutError) as caught:
        agent.run(["sleep", "600"], env={"SECRET": "hunter2"}, timeout=0.1)
    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_a_container_is_verified_before_anything_runs(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent, tmp_path: Path
) -> None:
    """
    A command runs in the container, by its id or its name, or not at all.
    """
    container = WorkspaceAgentContainer(
        id="abcdef0123456789", name="web", running=True, status="running"
    )
    embedded.set_containers([container])
    for name in ("web", "abcdef0123456789"):
        assert agent.run("uname -n", container=name).stdout == b"abcdef012345\n"
    job = agent.start_job("echo $USER", container="web", container_user="alice")
    assert job.communicate() == (b"alice\n", b"")
    assert [each.id for each in agent.jobs(container="web", container_user="alice")] == [job.id]
    assert agent.jobs() == []
    agent._http.held.clear()
    deployment.faults.add("ignore_container", route="pty", times=None)
    for name in ("web", "abcdef0123456789"):
        with pytest.raises(UnsupportedError, match="nothing was run") as caught:
            agent.run(f"touch {tmp_path}/ran", container=name)
        assert caught.value.found == "the agent's machine"
        assert not isinstance(caught.value, APIError)
    assert not (tmp_path / "ran").exists()


def test_an_unknown_container_is_an_error_at_once(embedded: EmbeddedAgent, agent: Agent) -> None:
    """
    The error for a container that is missing, or does not run, names those that the agent has.
    """
    old = WorkspaceAgentContainer(id="abcdef0123456789", name="old", status="exited")
    embedded.set_containers([old])
    calls: list[Callable[[str], object]] = [
        lambda name: agent.run("true", container=name),
        lambda name: agent.start_job("true", container=name),
        lambda name: agent.job("abc", container=name),
        lambda name: agent.jobs(container=name),
        lambda name: agent.read_file("/etc/passwd", container=name),
    ]
    for call in calls:
        with pytest.raises(ContainerNotFoundError, match="no container 'missing'") as caught:
            call("missing")
        assert caught.value.containers == ("old",)
    for name in ("old", "abcdef"):
        with pytest.raises(ContainerNotFoundError, match=rf"'{name}' does not run \(exited\)"):
            agent.run("true", container=name)


def test_a_container_that_vanishes_is_an_outage(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    A container in which commands ran is waited for, and one that does not come back is named.
    """
    web = WorkspaceAgentContainer(id="abcdef0123456789", name="web", running=True)
    embedded.set_containers([web])
    with deployment.client(timeout=0.5) as client:
        agent = client.agent(str(embedded.id))
        assert agent.run("true", container="web").returncode == 0
        embedded.set_containers([])
        for connection in deployment.connections.snapshot().values():
            connection.abort()
        with pytest.raises(CommandLostError, match=r"the container 'web' of the agent"):
            agent.run("true", container="web")


def test_a_container_that_no_list_confirms_is_tried(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    Where the containers cannot be listed, the error names the container and reports that nothing has started.
    """
    deployment.faults.add("refuse", route="containers", status=503, times=None)
    with deployment.client(timeout=0.5) as client:
        agent = client.agent(str(embedded.id))
        with pytest.raises(
            CommandLostError, match=r"container 'missing'.*had not started"
        ) as caught:
            agent.run("true", container="missing")
    assert caught.value.started is False


def test_an_agent_on_windows_has_no_posix_shell(deployment: Deployment, client: Client) -> None:
    """
    The error says so, and nothing was sent to the agent.
    """
    windows = deployment.add_agent("win", workspace="w", operating_system="windows")
    agent = client.agent(str(windows.id))
    calls = {
        "agent.run()": (lambda: agent.run("dir"), lambda: agent.start_job("dir"), agent.jobs),
        "agent.terminal()": (agent.terminal,),
    }
    for name, each in calls.items():
        for call in each:
            with pytest.raises(UnsupportedError, match="Windows and has no POSIX shell") as caught:
                call()
            assert (caught.value.call, caught.value.found) == (name, "windows")
            assert not isinstance(caught.value, APIError)
    assert not any("/pty" in request.target for request in deployment.requests)


def test_an_agent_without_stty_cannot_run_commands(
    deployment: Deployment, client: Client, tmp_path: Path
) -> None:
    """
    The error names what is missing.
    """
    (tmp_path / "sh").symlink_to("/bin/sh")
    poor = deployment.add_agent("poor", workspace="p", environment={"PATH": str(tmp_path)})
    with pytest.raises(UnsupportedError, match="stty") as caught:
        client.agent(str(poor.id)).run("true")
    assert "stty" in caught.value.found
    assert not isinstance(caught.value, APIError)


def test_a_closed_client_runs_nothing(deployment: Deployment, embedded: EmbeddedAgent) -> None:
    """
    A closed client raises as for its other calls, and its control shells are closed.
    """
    client = deployment.client()
    agent = client.agent(str(embedded.id))
    agent.run("true")
    [held] = agent._http.held.values()
    client.close()
    client.close()
    assert held._kept == []  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="closed"):
        agent.run("true")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_dials_its_own(deployment: Deployment, agent: Agent) -> None:
    """
    Parent and child run commands after a fork, and do not disturb each other.
    """
    assert agent.run("echo 1").stdout == b"1\n"
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if agent.run("echo 2").stdout == b"2\n" else 1)
        finally:
            os._exit(2)
    assert agent.run("echo 3").stdout == b"3\n"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert agent.run("echo 4").stdout == b"4\n"


def test_an_agent_can_be_pickled_after_a_command(agent: Agent) -> None:
    """
    A copy has control shells of its own.
    """
    import pickle

    agent.run("true")
    copy = pickle.loads(pickle.dumps(agent))
    assert copy.run("echo copy").stdout == b"copy\n"
    copy._http.close()


@pytest.fixture
def liar(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Agent]:
    """
    Make an agent that answers each request with a lie: its shell plays the bootstrap and the program.

    The mark @ in a lie stands for the begin of another answer.
    """
    # Without its first line the bootstrap is run by the login shell, and so by the liar.
    monkeypatch.setattr(
        "coder_agents.jobs.shell.bootstrap",
        lambda marker: bootstrap(marker).replace("#!/bin/sh\n", ""),
    )

    def make(client: Client, lie: bytes, *, name: str = "liar", number: bytes = b"") -> Agent:
        path = tmp_path / name
        text = _LIAR.format(python=sys.executable, lie=lie.decode(), number=number.decode())
        path.write_text(text)
        path.chmod(0o755)
        hostile = deployment.add_agent(name, workspace=name, shell=str(path))
        return client.agent(str(hostile.id))

    return make


LIES = {
    "bytes are kept back": b"OK 0 exited 0 1 5 0 0 -",
    "a field is missing": b"OK 0 exited 0 1 0 0 0",
    "there is no such state": b"OK 0 ended 0 1 0 0 0 -",
    "the parts are longer than the whole": b"OK 0 running 0 1 0 0 9 -",
    "there is more than there is": b"OK 3 exited 0 1 1 0 2 -\\nxy",
    "several answers": b"MORE 0 a\\n@OK 0 running 0 1 0 0 0 -",
    "no answer is an answer": b"YES",
    "it is another length": b"OK 99999999 running 0 1 0 0 0 -",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_agent_that_lies_raises_a_typed_error(
    client: Client, liar: Callable[..., Agent], monkeypatch: pytest.MonkeyPatch, lie: bytes
) -> None:
    """
    Answers that cannot be true are an error, and no call waits for ever.
    """
    monkeypatch.setattr("coder_agents.jobs.shells._MAX_NONSENSE", 1)
    with pytest.raises(ControlShellError) as caught:
        liar(client, lie).run("true")
    if lie.startswith(b"OK 3"):
        assert "more of an output" in str(caught.value)


def test_another_id_and_answers_without_end_are_errors(
    client: Client, liar: Callable[..., Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An answer to another request is none, and a list has an end.
    """
    agent = liar(client, b"OK 0 running 0 1 0 0 0 -", number=b"7")
    with pytest.raises(ControlShellError, match="7, not 1"):
        agent.run("true")
    monkeypatch.setattr("coder_agents.jobs.shell._MAX_ANSWERS", 10)
    monkeypatch.setattr("coder_agents.jobs.shells._MAX_NONSENSE", 1)
    agent = liar(client, b"\\n@".join([b"MORE 0 a"] * 20), name="endless")
    with pytest.raises(ControlShellError, match="without end"):
        agent.jobs()


def test_an_agent_that_falls_silent_is_given_up(
    deployment: Deployment, liar: Callable[..., Agent]
) -> None:
    """
    An answer that is shorter than its length is a stall, and then an error.
    """
    with deployment.client(timeout=2) as client:
        agent = liar(client, b"OK 500 running 0 1 0 0 0 -")
        with pytest.raises(CommandLostError) as caught:
            agent.run("true")
    assert caught.value.started is None


_LIAR = """#!{python}
import os, re, sys, tty
tty.setraw(0)
marker = re.search("%s READY.* ([0-9a-f]{{16}})", sys.argv[2])[1]
os.write(1, marker.encode() + b" READY\\n")
size = int(os.read(0, 7))
text = b""
while len(text) < size:
    text += os.read(0, size - len(text))
nonce = re.search(rb"=([0-9a-f]{{24}})\\n", text)[1]
os.write(1, nonce + b" 0 OK 0 1 1 base64,detach,spool\\n")
rest = b""
while piece := os.read(0, 65536):
    rest += piece
    for number in re.findall(rb"^([0-9]+) [A-Z]+ ", rest, re.M):
        begin = nonce + b" " + (b"{number}" or number) + b" "
        os.write(1, begin + b"{lie}\\n".replace(b"@", begin))
    rest = rest.rpartition(b"\\n")[2]
"""
