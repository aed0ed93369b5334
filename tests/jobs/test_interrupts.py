"""
Ctrl-C at every bytecode of what runs commands: it passes, and nothing is left open or running.
"""

from __future__ import annotations

import contextlib
import os
import random
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from effort import times
from holding import holds_within
from tracing import BytecodeTracer

import coder_agents
from coder_agents import Agent, Client
from coder_agents.testing import Deployment, EmbeddedAgent

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

LONG = 60.0  # seconds that an event is waited for
SAMPLE = times(6, 100_000)  # bytecodes of each call that are interrupted

PACKAGE = os.path.dirname(coder_agents.__file__)
FOLDERS = (f"{PACKAGE}/jobs/", f"{PACKAGE}/terminal/", f"{PACKAGE}/agent/commands.py")

Place = tuple[str, int, int]  # file, first line of the function, bytecode


class EnoughError(Exception):
    """
    What a call is stopped with where no interrupt came.
    """


class Tracer(BytecodeTracer):
    """
    Sees each bytecode of the folders in this thread, and interrupts at one of them.

    Attributes:
        seen: the bytecodes that were executed.
        interrupted: whether it has interrupted.
    """

    def __init__(self, at: Place | None = None) -> None:
        self._at = at
        self.seen: dict[Place, None] = {}
        self.interrupted = False

    def __call__(self, frame: types.FrameType, event: str, arg: object) -> Any:
        """
        Trace what belongs to the folders.
        """
        code = frame.f_code
        if not code.co_filename.startswith(FOLDERS) or is_freeing(frame):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and not self.interrupted:
            place = code.co_filename, code.co_firstlineno, frame.f_lasti
            self.seen[place] = None
            if place == self._at:
                self.interrupted = True
                raise KeyboardInterrupt
        return self

    def stop(self) -> None:
        """
        See nothing more.
        """
        self.interrupted = True


def is_freeing(frame: types.FrameType | None) -> bool:
    """
    Return whether *frame* belongs to a ``__del__``: Python swallows what is raised there.
    """
    while frame is not None and frame.f_code.co_filename.startswith(FOLDERS):
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def is_alive(group: int) -> bool:
    """
    Return whether a process group has processes.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def sockets() -> int:
    """
    Return how many sockets this process has open, where the system can say so.
    """
    count = 0
    with contextlib.suppress(FileNotFoundError):
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                count += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return count


Call = Callable[[Agent, Path, Tracer], object]


def run_to_the_end(agent: Agent, ran: Path, tracer: Tracer) -> None:
    """
    Run a command that ends.
    """
    agent.run(f"echo $$ >>{ran}; cat; echo x >&2", input=b"input")


def run_without_end(agent: Agent, ran: Path, tracer: Tracer) -> None:
    """
    Run a command that never ends.
    """

    def enough(_: bytes) -> None:
        tracer.stop()
        raise EnoughError

    agent.run(f"echo $$ >>{ran}; echo x; exec sleep 600", stdout=enough, timeout=300)


def follow_output(agent: Agent, ran: Path, tracer: Tracer) -> None:
    """
    Follow the output of a job.
    """
    job = agent.job(ran.with_name("job").read_text())
    with job.output() as stream:
        next(stream)


def write_and_read(agent: Agent, ran: Path, tracer: Tracer) -> None:
    """
    Write a file and read it.
    """
    path = str(ran.with_name("data"))
    agent.write_file(path, b"data")
    assert agent.read_file(path) == b"data"


def use_terminal(agent: Agent, ran: Path, tracer: Tracer) -> None:
    """
    Open a terminal, type, resize, read, and kill what runs there.
    """
    with agent.terminal(f"echo $$ >>{ran}; cat") as terminal:
        terminal.write("x\n")
        terminal.resize(100, 30)
        while b"x" not in (terminal.read(LONG) or b""):
            pass
        terminal.kill()


CALLS: list[Call] = [run_to_the_end, run_without_end, follow_output, write_and_read, use_terminal]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Deployment, EmbeddedAgent, Path]]:
    """
    An agent, and the file into which commands write their processes.
    """
    home = tmp_path / "home"
    home.mkdir()
    with Deployment() as deployment:
        yield deployment, deployment.add_agent(environment={"HOME": str(home)}), tmp_path / "ran"


def attempt(client: Client, agent_id: str, ran: Path, call: Call, tracer: Tracer) -> Any:
    """
    Make a call while it is traced; return the exception that it raised, with all its frames.
    """
    agent = client.agent(agent_id)
    try:
        with tracer:
            call(agent, ran, tracer)
    except (KeyboardInterrupt, EnoughError) as error:
        return error
    return None


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_interrupt_at_any_bytecode_leaves_nothing(
    place: tuple[Deployment, EmbeddedAgent, Path], call: Call
) -> None:
    """
    No connection is open, no process runs and no folder is left, whatever a user keeps of the error.
    """
    deployment, embedded, ran = place
    agent_id = str(embedded.id)
    with deployment.client() as starting:
        job = starting.agent(agent_id).start_job("echo output; sleep 600", timeout=7000)
        ran.with_name("job").write_text(job.id)
        recorded = Tracer()
        with deployment.client() as client:
            attempt(client, agent_id, ran, call, recorded)
        chance = random.Random(call.__name__)
        places = list(recorded.seen)
        # A terminal takes two seconds to be killed.
        count = SAMPLE // 2 if call is use_terminal else SAMPLE
        for number, at in enumerate(chance.sample(places, min(count, len(places)))):
            ran = ran.with_name(f"ran{number}")  # what came before may start late
            connections, before = deployment.connections.open, sockets()
            tracer = Tracer(at)
            with deployment.client() as client:
                error = attempt(client, agent_id, ran, call, tracer)
            where = f"{at}: {error!r}"
            if tracer.interrupted and not isinstance(error, EnoughError):
                assert isinstance(error, KeyboardInterrupt), where
            assert holds_within(LONG, lambda: deployment.connections.open <= connections), where  # noqa: B023
            groups = [int(line) for line in ran.read_text().split()] if ran.exists() else []
            assert len(groups) <= 1, where
            if call is not use_terminal:
                assert not any(map(is_alive, groups)), where
                # A run does not wait until its folder is deleted.
                assert holds_within(LONG, lambda: folders(ran) == [job.id]), where  # noqa: B023
            del error
            assert holds_within(LONG, lambda: sockets() <= before), where  # noqa: B023
        job.kill()


def folders(ran: Path) -> list[str]:
    """
    Return the folders of the agent's jobs, but for those that only keep a late start from running.
    """
    jobs = ran.parent / "home/.local/state/coder-agents/jobs"
    return sorted(each.name for each in jobs.glob("[!.]*") if not (each / "removed.0").exists())
