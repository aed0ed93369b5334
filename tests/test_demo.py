"""
The demo, run as a newcomer runs it.

Whole runs take a few seconds each, so they are made at the same time, once for all tests.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from coder_agents import demo
from coder_agents.demo.embedded import uninterrupted
from coder_agents.testing import Deployment, EmbeddedAgent

# Terminals of the embedded deployment have no variables that begin with CODER.
MARK = "RUN_OF_THE_DEMO"
JSON = {"Content-Type": "application/json"}
QUICK = ("--seconds", "1.2")
UPDATES = re.compile(r"(\d+) lines? of log and (\d+) updates?")
CONTROL = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


@attrs.frozen
class Run:
    """
    A run of the demo that has ended.
    """

    status: int
    output: str
    errors: str
    left: list[str]


def run_demo(
    *arguments: str,
    terminal: bool = False,
    interrupt_at: str = "",
    times: int = 1,
    close_at: str = "",
    **environment: str,
) -> Run:
    """
    Run the demo; press Ctrl-C, or stop reading, when a text has come.
    """
    mark = str(uuid.uuid4())
    reader, writer = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "coder_agents.demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=clean_environment() | environment | {MARK: mark},
    )
    os.close(writer)
    with process:
        output = b""
        with os.fdopen(reader, "rb", buffering=0) as source:
            while data := read_some(source.fileno()):
                output += data
                if close_at and close_at.encode() in output:
                    break
                if interrupt_at and interrupt_at.encode() in output:
                    interrupt_at = ""
                    for _ in range(times):
                        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        errors = process.stderr.read()
    return Run(process.returncode, output.decode(), errors.decode(), processes_marked(mark))


def clean_environment() -> dict[str, str]:
    """
    Return the environment of this process without what the demo asks for.
    """
    settings = ("CODER_", "COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return kept | {"TERM": "xterm", "PYTHONUTF8": "1"}


def read_some(descriptor: int) -> bytes:
    """
    Read on; a terminal that nobody writes to any more is an error on Linux, and the end.
    """
    with contextlib.suppress(OSError):
        return os.read(descriptor, 65_536)
    return b""


def processes_marked(mark: str) -> list[str]:
    """
    Return the commands of the processes that were started with *mark*, where that can be seen.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode().replace("\0", " "))
    return found


@pytest.fixture(scope="module")
def runs(ctrl_c: None) -> Iterator[dict[str, Future[Run]]]:
    """
    All runs, under way at the same time.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield {
            "pipe": pool.submit(run_demo, *QUICK),
            "terminal": pool.submit(run_demo, *QUICK, terminal=True),
            "plain terminal": pool.submit(
                run_demo, terminal=True, interrupt_at="Clock", NO_COLOR="1"
            ),
            "dumb terminal": pool.submit(
                run_demo, terminal=True, interrupt_at="Looking for tools", times=2, TERM="dumb"
            ),
            "at once": pool.submit(
                run_demo, interrupt_at="named", times=3, CODER_URL="http://127.0.0.1:1"
            ),
            "closed": pool.submit(run_demo, close_at="Looking for tools"),
        }


# A deployment of one's own, in this process.


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deployment]:
    """
    A deployment that the environment names.
    """
    with Deployment() as deployment:
        monkeypatch.setenv("CODER_URL", deployment.url)
        monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
        monkeypatch.setenv("CODER_CONFIG_DIR", str(tmp_path))
        yield deployment


@pytest.fixture
def agent(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent that is ready, with nothing to see.
    """
    agent = deployment.add_agent()
    agent.set_ports([])
    return agent


def watch(agent: EmbeddedAgent) -> int:
    """
    Run the demo against *agent* in this process.
    """
    return demo.main([str(agent.id), "--seconds", "0.1"])


def test_real_agent_is_watched(agent: EmbeddedAgent, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A named agent is shown as it is, without an embedded deployment, and no command runs on it.
    """
    agent.push_logs(["one", "two"])
    assert watch(agent) == 0
    assert agent.terminals.commands == []
    output = capsys.readouterr().out
    assert output.startswith(f"The agent main, {agent.id}\n")
    assert "None, or the agent cannot list its ports." in output
    assert "2 lines of log" in output


def test_log_that_ends_ends_the_wait(
    deployment: Deployment, agent: EmbeddedAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Where the log ends before the agent is ready, the walk goes on.
    """
    agent.push_logs(["the last line"])
    agent.set_lifecycle("starting")
    gone = json.dumps({"message": "gone"}).encode()
    deployment.faults.add("close", route="logs_follow", after=1)
    deployment.faults.add("refuse", route="logs_follow", status=404, headers=JSON, body=gone)
    assert watch(agent) == 0
    output = capsys.readouterr().out
    assert "the last line" in output
    assert "The agent is starting." in output


def test_what_an_agent_tells_cannot_command_the_terminal(
    agent: EmbeddedAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Control characters in lines, names and values are shown, not obeyed.
    """
    agent.push_logs(["\x1b[2J\x1b]0;title\x07"])
    agent.set_metadata("na\rme", "\x1b[2Jone\ntwo\n", error="\x07failed")
    assert watch(agent) == 0
    output = capsys.readouterr().out
    assert r"\x1b[2J\x1b]0;title\x07" in output
    assert r"na\x0dme: \x1b[2Jone two (\x07failed)" in output
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", output)


def test_value_that_was_never_collected_is_said_so(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A metadata item without a value does not look like an empty one.
    """
    from coder_agents.testing import Metadata

    agent = deployment.add_agent(metadata=[Metadata("", "load")])
    assert watch(agent) == 0
    assert "load: (not collected yet)" in capsys.readouterr().out


def test_containers_may_be_switched_off(
    deployment: Deployment, agent: EmbeddedAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An agent without containers is shown to the end.
    """
    body = json.dumps({"message": "switched off"}).encode()
    deployment.faults.add("refuse", route="containers", status=403, headers=JSON, body=body)
    assert watch(agent) == 0
    assert "switched off\n" in capsys.readouterr().out


def test_agent_can_be_named_by_its_workspace(
    agent: EmbeddedAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Where the name leads to no agent, one line says why.
    """
    assert demo.main(["dev", "--seconds", "0"]) == 0
    assert capsys.readouterr().out.startswith(f"The agent main, {agent.id}\n")
    assert demo.main(["dev.gpu"]) == 1
    told = capsys.readouterr().err
    assert told == "demo: workspace tester/dev has no agent gpu; it has: main\n"


def test_error_of_the_deployment_is_one_line(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An agent that is not there ends it with status 1 and one line on standard error.
    """
    assert demo.main([str(uuid.uuid4())]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"demo: .*404: .*\n", captured.err)


def test_agent_that_is_lost_is_not_waited_for(
    agent: EmbeddedAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An agent that was lost before it was ready is not waited for, and the error says it.
    """
    agent.set_lifecycle("starting")
    agent.disconnect()
    assert watch(agent) == 1
    assert re.fullmatch(r'demo: .*"disconnected".*\n', capsys.readouterr().err)


def test_agent_without_a_deployment_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Without a URL anywhere the places that were looked at are named.
    """
    monkeypatch.delenv("CODER_URL", raising=False)
    monkeypatch.setenv("CODER_CONFIG_DIR", str(tmp_path))
    assert demo.main([str(uuid.uuid4())]) == 1
    assert "CODER_URL is not set" in capsys.readouterr().err


def test_missing_extra_is_named() -> None:
    """
    Without the embedded deployment's libraries it says how to install them.
    """
    program = (
        "import sys\n"
        "sys.modules['wsproto'] = None\n"
        "from coder_agents import demo\n"
        "sys.exit(demo.main([]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "demo: coder_agents.testing needs wsproto: pip install 'coder-agents[testing]'\n"
    )


@pytest.mark.parametrize(
    "arguments", [["--seconds", "nan"], ["--seconds", "-1"], ["--seconds", "x"], ["my workspace"]]
)
def test_bad_arguments_are_refused(arguments: list[str]) -> None:
    """
    What cannot be meant is refused before anything is started.
    """
    with pytest.raises(SystemExit) as ended:
        demo.main(arguments)
    assert ended.value.code == 2


# The runs.

INTERRUPTED = ["plain terminal", "dumb terminal", "at once"]


def test_pipe_gets_the_whole_story(runs: dict[str, Future[Run]]) -> None:
    """
    The log, its end, the metadata, a command, ports and containers as tables and a summary, and status 0.
    """
    run = runs["pipe"].result()
    assert (run.status, run.errors) == (0, "")
    for part in (
        "  info   Tools   Looking for tools on this machine\n",
        "  error  System  What a script writes to standard error has the level error\n",
        "The agent is ready.\n",
        "\nLoad: ",
        " GiB, Disk: ",
        "\nstep 2\nstep 3\nto standard error\nThe return code is 7, after ",
        "web   nginx:1.27  running  8080 -> 80, 443\n",
        "api   /home/coder/api  stopped\n",
    ):
        assert part in run.output
    found = UPDATES.search(run.output)
    assert found
    assert found[1] == "9"
    assert int(found[2]) >= 1


def test_pipe_gets_plain_lines(runs: dict[str, Future[Run]]) -> None:
    """
    What is no terminal sees no escape code, no carriage return and no progress.
    """
    output = runs["pipe"].result().output
    assert "\x1b" not in output
    assert "\r" not in output
    assert "starting, " not in output


def test_pipe_gets_only_values_that_changed(runs: dict[str, Future[Run]]) -> None:
    """
    The size of the disk is told when it has changed, and the clock each time.
    """
    output = runs["pipe"].result().output
    found = UPDATES.search(output)
    assert found
    disks = re.findall(r"Disk: ([\d.]+ of [\d.]+)", output)
    assert disks == [disk for disk, _ in itertools.groupby(disks)] != []
    # A slow machine has few updates, and some of them without a new time.
    assert output.count("Clock: ") >= min(2, int(found[2]) // 2)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="ports are read from /proc")
def test_ports_are_those_of_this_machine(runs: dict[str, Future[Run]]) -> None:
    """
    The embedded deployment itself is among the listening ports.
    """
    assert re.search(r"\n *\d+  tcp      python", runs["pipe"].result().output)


def test_terminal_updates_metadata_in_place(runs: dict[str, Future[Run]]) -> None:
    """
    Each update but the first begins by going up to where the last one began.
    """
    run = runs["terminal"].result()
    assert (run.status, run.errors) == (0, "")
    found = UPDATES.search(run.output)
    assert found
    assert run.output.count("\x1b[6A") == int(found[2]) - 1


def test_terminal_sees_progress_and_colours(runs: dict[str, Future[Run]]) -> None:
    """
    The progress is written over, headings are bold, a script's colours stay and end.
    """
    output = runs["terminal"].result().output
    assert re.search(r"\r[|/\\-] starting, \d+ lines\x1b\[K\r\x1b\[K", output)
    assert "\x1b[1mIts metadata" in output
    assert re.search(r"\x1b\[36m|\x1b\[1;36mReady to work\x1b\[0m in .*\x1b\[m\r\n", output)
    assert re.search(r"\x1b\[31m[0-9:]{8}  error  System\x1b\[m  What a script", output)
    assert "step 3\r\n\r\x1b[K\x1b[31mto standard error\x1b[m\x1b[m\r\n" in output


def test_no_color_is_honoured(runs: dict[str, Future[Run]]) -> None:
    """
    With NO_COLOR a terminal is still written to in place, but nothing sets a colour.
    """
    kinds = {found[2] for found in CONTROL.finditer(runs["plain terminal"].result().output)}
    assert kinds <= {"A", "K"}
    assert "K" in kinds


def test_dumb_terminal_gets_plain_lines(runs: dict[str, Future[Run]]) -> None:
    """
    A terminal that says it can do nothing is treated as a pipe.
    """
    assert "\x1b" not in runs["dumb terminal"].result().output


@pytest.mark.parametrize("name", INTERRUPTED)
def test_interrupt_ends_it_cleanly(runs: dict[str, Future[Run]], name: str) -> None:
    """
    Ctrl-C, also several times, ends it with a word, no traceback, and status 130.
    """
    run = runs[name].result()
    assert run.status == 130
    assert run.errors.removeprefix("\r\x1b[K") == "Interrupted.\n"
    assert "lines of log" not in run.output


@pytest.mark.parametrize("name", ["pipe", *INTERRUPTED, "closed"])
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are seen in /proc")
def test_nothing_is_left_running(runs: dict[str, Future[Run]], name: str) -> None:
    """
    The scripts of its agent end with it, however it ends.
    """
    assert runs[name].result().left == []


def test_reader_that_goes_away_ends_it_quietly(runs: dict[str, Future[Run]]) -> None:
    """
    A pipe that is closed, as `head` does, ends it without a traceback.
    """
    run = runs["closed"].result()
    assert (run.status, run.errors) == (1, "")


def test_url_without_an_agent_gets_a_hint(runs: dict[str, Future[Run]]) -> None:
    """
    Who has set CODER_URL and named no agent is told what is missing.
    """
    assert runs["at once"].result().output.startswith("CODER_URL is set, but no agent is named")


@pytest.mark.usefixtures("ctrl_c_counts")
def test_interrupt_waits_for_the_end_of_the_block() -> None:
    """
    What must not be left half made is finished before Ctrl-C counts.
    """
    done = []
    with pytest.raises(KeyboardInterrupt):
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(True)
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
