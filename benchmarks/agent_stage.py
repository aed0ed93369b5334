"""
A deployment with one agent in a process of its own, and what is measured there.
"""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage import RemoteScene, answer_calls, running

from coder_agents import Agent, Client
from coder_agents.terminal.attachment import Attachment, TerminalRequest
from coder_agents.testing import Deployment
from coder_agents.testing.terminals.stream import TerminalStream
from coder_agents.transport import DroppedError

MAX_SILENCE = 30.0  # seconds without a byte of a bare terminal
TICKS = os.sysconf("SC_CLK_TCK")


class AgentScene:
    """
    The commands of the deployment; runs in the deployment's process.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.agent = deployment.add_agent()
        self._messages = 0
        self._counting = threading.Lock()
        self._count_messages()

    def _count_messages(self) -> None:
        take = TerminalStream.take_message

        def counting(stream: TerminalStream, message: Any) -> None:
            with self._counting:
                self._messages += 1
            take(stream, message)

        TerminalStream.take_message = counting  # type: ignore[method-assign,assignment]

    def where(self) -> tuple[str, str, uuid.UUID]:
        """
        Return the URL, the token and the agent's id.
        """
        return self.deployment.url, self.deployment.token, self.agent.id

    def connections(self) -> int:
        """
        Return how many terminals were attached to.
        """
        return sum("/pty" in request.target for request in self.deployment.requests)

    def messages(self) -> int:
        """
        Return how many messages the terminals have received.
        """
        with self._counting:
            return self._messages

    def cpu_seconds(self) -> float:
        """
        Return the processor time of the agent's processes, those that have ended included.
        """
        return sum(_cpu_seconds(process) for process in self._processes())

    def left_after(self, seconds: float) -> tuple[int, int]:
        """
        Return the folders of jobs and the processes that are left once nobody is attached; wait
        for the end of the processes for *seconds* at most.
        """
        deadline = time.monotonic() + seconds
        while self._processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        jobs = self.agent.terminals.home / ".local/state/coder-agents/jobs"
        folders = sum(entry.is_dir() for entry in jobs.iterdir())
        return folders, len(self._processes())

    def _processes(self) -> list[Path]:
        mark = f"HOME={self.agent.terminals.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(process)
        return found


def _cpu_seconds(process: Path) -> float:
    try:
        text = (process / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    # After the name, which may contain anything: the 14th to the 17th field of the whole.
    return sum(map(int, text.rpartition(")")[2].split()[11:15])) / TICKS


def _run(pipe: multiprocessing.connection.Connection) -> None:
    with Deployment() as deployment:
        answer_calls(pipe, AgentScene(deployment))


class AgentStage(RemoteScene):
    """
    A scene in another process, a client of its deployment, and bare terminals.

    Attributes:
        agent: the agent, as a user has it.
    """

    def __init__(self, pipe: multiprocessing.connection.Connection) -> None:
        super().__init__(pipe)
        self._url, self._token, self._id = self.call("where")
        self._client = Client(self._url, self._token)
        self.agent = self._client.agent(self._id)

    @contextlib.contextmanager
    def client_of_its_own(self) -> Iterator[Agent]:
        """
        Yield the agent of another client, which has no control shell yet.
        """
        with Client(self._url, self._token) as client:
            yield client.agent(self._id)

    def run_bare(self, command: str) -> int:
        """
        Run *command* in a terminal of its own, until the terminal is over; return how many bytes came.
        """
        request = TerminalRequest(reconnect_id=uuid.uuid4(), command=command)
        attachment = Attachment(self.agent._http, self.agent.id, request)
        came = 0
        try:
            attachment.open()
            while data := attachment.read(time.monotonic() + MAX_SILENCE):
                came += len(data)
        except DroppedError:  # the end of a terminal
            return came
        finally:
            attachment.close()
        raise TimeoutError("a bare terminal has stalled")

    def cat_bare(self, path: Path, size: int) -> None:
        """
        Receive the *size* bytes of the file *path* from a terminal that changes none of them.
        """
        came = self.run_bare(f"stty raw -echo; exec cat {path}")
        assert came == size, f"a bare terminal has delivered {came} bytes"

    def close(self) -> None:
        """
        Close the client.
        """
        self._client.close()


@contextlib.contextmanager
def agent_staged() -> Iterator[AgentStage]:
    """
    Run a deployment with one agent in a process of its own.
    """
    with running(_run) as pipe, contextlib.closing(AgentStage(pipe)) as stage:
        yield stage
