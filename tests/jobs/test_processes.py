"""
What happens to commands when a process forks, forgets, closes or ends, and what is left on the agent.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from effort import times

from coder_agents import Agent, Client
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.testing.terminals.leftovers import find_leftovers

from .test_run import LIMIT, job_folders, until


def streams(deployment: Deployment) -> int:
    """
    Return how many connections are open, but for those that are kept for another request.
    """
    return deployment.connections.open - deployment.connections.idle


def files_below(folder: Path) -> set[str]:
    """
    Return the names of all files below *folder*, whose folders may be deleted meanwhile.
    """
    return {name for _, _, names in os.walk(folder) for name in names}


def test_a_thousand_runs_leave_nothing(
    deployment: Deployment, embedded: EmbeddedAgent, home: Path
) -> None:
    """
    After many runs, one that timed out and one that failed, neither a file nor a process is left on the agent.
    """
    with deployment.client() as client:
        agent = client.agent(str(embedded.id))
        for number in range(times(15, 1000)):
            assert agent.run(f"cat; exit {number % 200}", input=b"x").returncode == number % 200
        with pytest.raises(subprocess.TimeoutExpired):
            agent.run("sleep 600 & sleep 600", timeout=0.2)
        agent.run(["cat"], input=bytes(2_000_000))
        agent.write_file(f"{home}/file", b"x")
        (home / "file").unlink()
    until(lambda: job_folders(home) == [])
    # Whether awk reports signals is found out once; the folders are there for the next run.
    until(lambda: files_below(home) <= {".awk0", ".awk1"})
    embedded.terminals.hang_up()
    until(lambda: not find_leftovers(f"HOME={home}"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_in_the_middle_of_a_command(agent: Agent) -> None:
    """
    The child runs commands of its own, and the parent's command is exact.
    """
    codes: list[int] = []
    seen = bytearray()

    def take(data: bytes) -> None:
        seen.extend(data)
        if codes:
            return
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if agent.run("echo child").stdout == b"child\n" else 1)
            finally:
                os._exit(2)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    done = agent.run("echo begin; sleep .3; seq 1 100000; exit 7", stdout=take)
    assert codes == [0]
    assert done.returncode == 7
    assert bytes(seen) == b"begin\n" + b"".join(b"%d\n" % n for n in range(1, 100001))


ENDS = """
import sys
from coder_agents import Client
client = Client(sys.argv[1], sys.argv[2])
agent = client.agent(sys.argv[3])
assert agent.run("echo x").stdout == b"x\\n"
job = agent.start_job("sleep 600")
stream = job.output()
print(job.id, flush=True)
"""


def test_a_program_that_ends_closes_what_is_open(
    deployment: Deployment, embedded: EmbeddedAgent, agent: Agent
) -> None:
    """
    A program that closes nothing ends with the code 0 and no message, and its jobs live on.
    """
    command = [sys.executable, "-c", ENDS, deployment.url, deployment.token, str(embedded.id)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: streams(deployment) == 0)
    job = agent.job(done.stdout.strip())
    assert job.poll() is None
    job.kill()


def test_a_stream_of_output_that_is_forgotten_is_closed(
    deployment: Deployment, agent: Agent
) -> None:
    """
    Without references its connection ends, with a warning; a job that is forgotten runs on.
    """
    job = agent.start_job("echo 1; sleep 600")
    known = job.id
    stream = job.output()
    assert next(stream).data == b"1\n"
    stream.poll(0)
    with pytest.warns(ResourceWarning, match="was left open"):
        del stream
    del job
    gc.collect()
    again = agent.job(known)
    assert again.poll() is None
    again.kill()
    assert again.wait(LIMIT) == -9


def test_a_client_that_is_closed_meanwhile(
    deployment: Deployment, embedded: EmbeddedAgent, home: Path
) -> None:
    """
    A command, and whoever waits for a job, are finished; afterwards no connection is open.
    """
    client = deployment.client()
    agent = client.agent(str(embedded.id))
    job = agent.start_job("until [ -e ~/closed ]; do sleep .02; done; exit 5")
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(job.wait(LIMIT)))
    waiting.start()
    closing = threading.Thread(target=close, args=(client, home))

    def take(data: bytes) -> None:
        if not closing.ident:
            closing.start()
            closing.join()

    done = agent.run("echo 1; until [ -e ~/closed ]; do sleep .02; done; echo 2", stdout=take)
    waiting.join()
    assert (done.returncode, codes) == (0, [5])
    with pytest.raises(RuntimeError, match="closed"):
        agent.run("true")
    until(lambda: deployment.connections.open == 0)


def close(client: Client, home: Path) -> None:
    """
    Close *client*, and let the commands end after that.
    """
    client.close()
    (home / "closed").touch()
