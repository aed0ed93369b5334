"""
A deployment in a process of its own, controlled over a pipe.

The measured memory is therefore the client's alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from coder_agents import Client
from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentDevcontainer
from coder_agents.testing import Deployment, Metadata

PACE = 0.01  # seconds between two events


class Scene:
    """
    The commands of the deployment; runs in the deployment's process.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.agent = deployment.add_agent(metadata=[Metadata("Value", "value", "true")])
        self.agent.wait_started()
        self.build: Any = None
        self.committed: list[int] = []
        self._happening: threading.Thread | None = None

    def where(self) -> tuple[str, str, uuid.UUID]:
        """
        Return the URL, the token and the agent's id.
        """
        return self.deployment.url, self.deployment.token, self.agent.id

    def fault(self, kind: str, route: str, options: dict[str, Any]) -> None:
        """
        Add a fault.
        """
        self.deployment.faults.add(kind, route=route, **options)

    def happen(self, stream: str, count: int) -> None:
        """
        Begin to send *count* events, one by one, of the kind that *stream* shows.
        """
        acts = {"logs": self._log, "metadata": self._value, "containers": self._container}
        self._happening = threading.Thread(target=self._go, args=(acts[stream], count))
        self._happening.start()

    def _go(self, act: Any, count: int) -> None:
        for number in range(count):
            act(number)
            time.sleep(PACE)

    def _log(self, number: int) -> None:
        self.committed += self.agent.push_logs([f"line {number}"])

    def _value(self, number: int) -> None:
        self.agent.set_metadata("value", str(number))

    def _container(self, number: int) -> None:
        # A change of a plain container alone is not reported: the agent compares its dev
        # containers.
        container = WorkspaceAgentContainer(id="c", name=str(number))
        devcontainer = WorkspaceAgentDevcontainer(
            id=uuid.UUID(int=1), name="dev", workspace_folder="/home/coder/dev", container=container
        )
        self.agent.set_containers([container])
        self.agent.set_devcontainers([devcontainer])

    def happened(self) -> list[int]:
        """
        Wait until all events were sent; return the ids of the lines.
        """
        if self._happening is not None:
            self._happening.join()
        return self.committed

    def write_late(self, writers: int, each: int, late: float) -> None:
        """
        Let several writers take ids, and commit their lines in the opposite order.
        """
        for number in range(each):
            batches = [
                self.agent.begin_logs([f"writer {writer}, line {number}"])
                for writer in range(writers)
            ]
            for batch in reversed(batches):
                batch.commit()
                self.committed += batch.ids
                time.sleep(late / writers)

    def restart(self, down: float) -> None:
        """
        Restart the deployment on the same port.
        """
        self.deployment.restart(down=down)

    def purge(self) -> None:
        """
        Delete all lines of the log.
        """
        self.agent.purge_logs()

    def jump(self, hours: float) -> None:
        """
        Move the deployment's clock by *hours*.
        """
        self.deployment.set_clock(timedelta(hours=hours))

    def new_build(self, how: str) -> None:
        """
        Begin a newer build of the workspace; complete it or let it fail according to *how*.
        """
        self.build = self.agent.build.workspace.start_build("start")
        if how == "failed":
            self.build.fail("exit status 1")
        elif how == "done":
            self.build.complete()


def _run(pipe: multiprocessing.connection.Connection, settings: dict[str, Any]) -> None:
    attributes = {name: settings.pop(name) for name in ("pong_timeout",) if name in settings}
    with Deployment(**settings) as deployment:
        for name, value in attributes.items():
            setattr(deployment, name, value)
        answer_calls(pipe, Scene(deployment))


def answer_calls(pipe: multiprocessing.connection.Connection, scene: object) -> None:
    """
    Call the methods of *scene* that *pipe* names, until its other end is closed.
    """
    with contextlib.suppress(EOFError):
        while True:
            name, arguments = pipe.recv()
            pipe.send(getattr(scene, name)(*arguments))


class RemoteScene:
    """
    A scene in another process.
    """

    def __init__(self, pipe: multiprocessing.connection.Connection) -> None:
        self._pipe = pipe

    def call(self, name: str, *arguments: Any) -> Any:
        """
        Call the scene's method *name* and return the result.
        """
        self._pipe.send((name, arguments))
        return self._pipe.recv()


class Stage(RemoteScene):
    """
    A scene in another process, and a client of its deployment.
    """

    def __init__(self, pipe: multiprocessing.connection.Connection) -> None:
        super().__init__(pipe)
        self.url, self.token, self.agent_id = self.call("where")
        self.client = Client(self.url, self.token)


@contextlib.contextmanager
def staged(**settings: Any) -> Iterator[Stage]:
    """
    Run a deployment with *settings* in a process of its own.
    """
    with running(_run, settings) as pipe:
        yield Stage(pipe)


@contextlib.contextmanager
def running(
    work: Callable[..., None], *arguments: object
) -> Iterator[multiprocessing.connection.Connection]:
    """
    Run *work* in a process of its own, with one end of a pipe and *arguments*; yield the other end.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(20)
        process.terminate()
