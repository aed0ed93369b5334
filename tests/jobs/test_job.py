"""
Jobs: they live on without their client, and any process finds them again.
"""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markup import checked
from pty_client import is_running

from coder_agents import (
    Agent,
    CommandLostError,
    CommandTimeoutError,
    Job,
    JobNotFoundError,
    ShellError,
)
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.launch import kill
from coder_agents.testing import Deployment, EmbeddedAgent

from .test_run import LIMIT, job_folders, until
from .test_running import alive


def test_a_job_ends_with_its_code_and_keeps_its_output(agent: Agent, home: Path) -> None:
    """
    A job has the names of Popen, and its folder stays until it is removed.
    """
    job = agent.start_job("echo out; echo err >&2; exit 3", env={"A": "1"}, cwd="/")
    assert job.args == "echo out; echo err >&2; exit 3"
    assert job.wait(LIMIT) == 3
    assert (job.returncode, job.poll()) == (3, 3)
    assert job.communicate() == (b"out\n", b"err\n")
    assert repr(job) == f"<Job {job.id}, returncode 3>"
    shown = checked(job._repr_html_()).text
    assert shown.startswith(f"Job {job.id}Commandecho out; echo err >&2; exit 3State●\xa0exited")
    assert "Command" not in checked(agent.job(job.id)._repr_html_()).text
    [listed] = agent.jobs()
    assert checked(listed._repr_html_()).text.startswith(
        f"Job {job.id}State●\xa0exitedReturn code3"
    )
    job.send_signal(signal.SIGTERM)  # nothing, as it has ended
    assert len(job_folders(home)) == 1
    job.remove()
    assert job_folders(home) == []
    with pytest.raises(JobNotFoundError) as caught:
        agent.job(job.id)
    assert caught.value.job_id == job.id
    with pytest.raises(TypeError, match="id is text, not int"):
        agent.job(5)  # type: ignore[arg-type]


def test_killing_waits_until_the_job_has_ended(agent: Agent) -> None:
    """
    The end of a job may come later than its death: here somebody else holds its output open.
    """
    job = agent.start_job("setsid sleep 30 & echo $!; exec sleep 60")
    with job.output() as stream:
        holder = int(next(stream).data)
    kill(JobHandle(shells=agent._shells(None, None), id=job.id))
    assert job.poll() == -signal.SIGKILL
    os.kill(holder, signal.SIGKILL)


def test_a_folder_that_cannot_be_deleted_is_an_error_with_the_reason() -> None:
    """
    The agent's reason is passed on, and is not taken for a job that runs.
    """

    class Refusing:
        place = SimpleNamespace(what="dev")

        def call(self, request: object, **options: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    refusing: Any = Refusing()
    with pytest.raises(ShellError, match="dev: job abc: Read-only file system"):
        JobHandle(shells=refusing, id="abc").remove()


def test_another_client_finds_a_job_again(deployment: Deployment, agent: Agent) -> None:
    """
    The id is all that another process needs, while the job runs and afterwards.
    """
    job = agent.start_job("echo $$; read line; echo got", stdin=subprocess.PIPE)
    with deployment.client() as other:
        again = other.agent(str(agent.id)).job(job.id)
        assert again.args is None
        assert again.poll() is None
        until(lambda: again.poll() is None and "running" in repr(again))
        out, err = again.communicate(b"x\n", LIMIT)
        assert (out.split()[1], err) == (b"got", b"")
        assert again.pid == int(out.split()[0])
    assert job.wait(LIMIT) == 0


def test_jobs_are_listed(agent: Agent) -> None:
    """
    A list has command, state, code, start time and sizes of each job.
    """
    before = datetime.now(UTC).timestamp() - 2
    first = agent.start_job(["printf", "%s", "a b"])
    first.wait(LIMIT)
    second = agent.start_job("sleep 100")
    third = agent.start_job("kill -9 $$")
    third.wait(LIMIT)
    found = {each.id: each for each in agent.jobs()}
    assert found.keys() == {first.id, second.id, third.id}
    assert found[first.id].command == "printf %s 'a b'"
    assert (found[first.id].state, found[first.id].returncode) == ("exited", 0)
    assert (found[first.id].stdout_size, found[first.id].stderr_size) == (3, 0)
    assert (found[second.id].state, found[second.id].returncode) == ("running", None)
    assert found[third.id].returncode == -9
    started = found[second.id].started_at
    assert started is not None
    assert started.timestamp() > before
    second.kill()
    assert second.wait(LIMIT) == -9


@pytest.mark.parametrize(("method", "code"), [("terminate", -15), ("kill", -9)])
def test_signals_reach_the_group(agent: Agent, method: str, code: int) -> None:
    """
    A signal ends the whole group, and the return code is its negative number.
    """
    job = agent.start_job("sleep 300 & sleep 300")
    getattr(job, method)()
    assert job.wait(LIMIT) == code
    assert job.pid is not None
    assert alive(job.pid) == []


def test_a_wait_ends_in_time_and_the_job_runs_on(agent: Agent) -> None:
    """
    The error of a wait is subprocess's, and nothing is ended.
    """
    job = agent.start_job("echo first; sleep 300")
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        job.wait(0.3)
    assert isinstance(caught.value, CommandTimeoutError)
    with pytest.raises(CommandTimeoutError) as also:
        job.communicate(timeout=0.5)
    assert also.value.output == b"first\n"
    assert job.poll() is None
    with pytest.raises(ShellError, match=rf"job {job.id} still runs: kill\(\) it"):
        job.remove()
    job.kill()
    assert job.communicate() == (b"first\n", b"")
    with pytest.raises(ValueError, match="timeout"):
        job.wait(-1)


def test_a_job_that_writes_all_the_time_is_waited_for(agent: Agent) -> None:
    """
    Output does not end a wait, and does not make it busy.
    """
    job = agent.start_job("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep .1; done")
    assert job.wait(LIMIT) == 0


def test_a_wait_for_one_that_writes_without_end_is_not_busy(agent: Agent) -> None:
    """
    An answer that comes at once is followed by a pause.
    """
    job = agent.start_job("while :; do echo x; done")
    with pytest.raises(CommandTimeoutError):
        job.wait(1.5)
    assert job._handle.shells._kept[0]._numbers < 30
    job.kill()
    assert job.wait(LIMIT) == -9


def test_input_is_written_once_and_ended(agent: Agent) -> None:
    """
    communicate writes the input and its end, as Popen's does; also where there is no input.
    """
    job = agent.start_job("cat", stdin=subprocess.PIPE)
    assert job.communicate("üx", LIMIT) == ("üx".encode(), b"")
    assert job.communicate() == ("üx".encode(), b"")
    with pytest.raises(ValueError, match="over"):
        job.communicate(b"more")
    assert agent.start_job("cat", stdin=subprocess.PIPE).communicate() == (b"", b"")
    assert agent.start_job("cat", input=b"spooled").communicate() == (b"spooled", b"")
    with pytest.raises(ValueError, match="takes no input"):
        agent.start_job("cat").communicate(b"x")


def test_outputs_are_merged_and_discarded(agent: Agent) -> None:
    """
    The outputs of a job take subprocess's words.
    """
    merged = agent.start_job("echo a; echo b >&2", stderr=subprocess.STDOUT)
    assert merged.communicate() == (b"a\nb\n", b"")
    none = agent.start_job(
        "echo a; echo b >&2", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert none.communicate() == (b"", b"")


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (TypeError, {"stdout": b"file"}),
        (TypeError, {"stderr": 7}),
        (ValueError, {"stdout": subprocess.STDOUT}),
        (ValueError, {"stdin": 7}),
        (ValueError, {"stdin": subprocess.PIPE, "input": b"x"}),
        (TypeError, {"input": 5}),
        (ValueError, {"timeout": -1}),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    deployment: Deployment, agent: Agent, kind: type[Exception], arguments: dict[str, Any]
) -> None:
    """
    A bad argument is an error of Python's own, and no request was sent.
    """
    before = len(deployment.requests)
    with pytest.raises(kind):
        agent.start_job("true", **arguments)
    with pytest.raises(ValueError, match="id"):
        agent.job("../x")
    assert len(deployment.requests) == before


def test_a_timeout_is_kept_by_the_agent(agent: Agent) -> None:
    """
    A job's own time-out ends it with nobody watching.
    """
    job = agent.start_job("sleep 300", timeout=0.5)
    assert job.wait(LIMIT) == -15


def test_an_interrupt_during_the_start_leaves_no_job(
    agent: Agent, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever interrupts the start never learns the job's id, so the job is ended.
    """
    from coder_agents.jobs import job as module

    def interrupted(*arguments: Any, **options: Any) -> Job:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "Job", interrupted)
    with pytest.raises(KeyboardInterrupt):
        agent.start_job("sleep 300")
    assert job_folders(home) == []


def test_a_job_survives_a_restart_of_the_agent(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent, home: Path
) -> None:
    """
    All that the agent has started for its terminals is hung up; the job runs on, once, and is found again.
    """
    job = agent.start_job("echo 1; echo $$ >>ran; read x; echo $x", cwd="~", stdin=subprocess.PIPE)
    with job.output() as stream:
        assert next(stream).data == b"1\n"
        before = list(embedded.terminals.running.values())
        embedded.disconnect()
        embedded.terminals.hang_up()
        until(lambda: not any(is_running(each.pid) for each in before))
        assert not embedded.terminals.running
        embedded.connect()
        with deployment.client() as other:
            again = other.agent(str(agent.id)).job(job.id)
            assert again.pid is not None
            assert alive(again.pid) != []
            assert again.communicate(b"2\n", LIMIT) == (b"1\n2\n", b"")
        assert [each.data for each in stream] == [b"2\n"]
    assert job.wait(LIMIT) == 0
    assert (home / "ran").read_text() == f"{again.pid}\n"


def test_a_job_whose_supervisor_is_gone_is_lost(agent: Agent, home: Path) -> None:
    """
    A machine that was restarted has lost the job: that is an error, and no wait without end.
    """
    job = agent.start_job("sleep 300")
    [folder] = job_folders(home)
    deadline = time.monotonic() + LIMIT
    while not (found := list(folder.glob("by.*"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    while not list(folder.glob("pid.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    supervisor = int(found[0].suffix.removeprefix("."))
    os.kill(supervisor, signal.SIGKILL)
    with pytest.raises(CommandLostError, match="without a return code") as caught:
        job.wait(LIMIT)
    assert (caught.value.started, caught.value.job_id) == (True, job.id)
    assert [each.state for each in agent.jobs()] == ["lost"]
    assert job.pid is not None
    # Not by the program kill: some versions take -1234 for -1, which is every process.
    os.killpg(job.pid, signal.SIGKILL)


def test_a_command_that_kills_its_parent_is_lost(agent: Agent) -> None:
    """
    Nobody knows its return code: that is an error, and no other code.
    """
    with pytest.raises(CommandLostError, match="without a return code"):
        agent.run("case $(ps -o comm= -p $PPID) in *awk*) kill -9 $PPID ;; esac; sleep 1")


def test_values_can_be_pickled(agent: Agent) -> None:
    """
    What is listed, and each error, has a copy.
    """
    job = agent.start_job("echo x")
    job.wait(LIMIT)
    infos = agent.jobs()
    assert pickle.loads(pickle.dumps(infos)) == infos
    done = pickle.loads(pickle.dumps(agent.run("exit 4")))
    assert (done.returncode, done.truncated) == (4, False)
    error = pickle.loads(pickle.dumps(CommandLostError("text", job_id="a", started=True)))
    assert (str(error), error.job_id, error.started) == ("text", "a", True)
