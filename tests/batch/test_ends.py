"""
The ends of a call over several agents in a process: Ctrl-C, a fork, and the exit of the interpreter.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from driving import InThread, interrupt_in, reached
from effort import times
from forked import Child
from peer import Conversation, serving

from coder_agents import Agent, BatchCanceledError, Client, Results
from coder_agents.batch.threads import NAME
from coder_agents.schema import WorkspaceAgent
from coder_agents.testing import Deployment


def unknown(client: Client, count: int) -> list[Agent]:
    """
    Some agents that were not read.
    """
    data = (WorkspaceAgent(id=uuid.UUID(int=number)) for number in range(1, count + 1))
    return [client._agent(each, None) for each in data]


def threads() -> list[str]:
    """
    The threads of calls that are there now.
    """
    return [each.name for each in threading.enumerate() if each.name.startswith(NAME)]


USES: dict[str, Callable[[Client, list[Agent]], object]] = {
    "each, wait": lambda client, agents: client.each(agents, Agent.refresh, max_workers=2).wait(),
    "each, iterate": lambda client, agents: list(client.each(agents, Agent.refresh, max_workers=2)),
    "each, results": lambda client, agents: (
        client.each(agents, Agent.refresh, max_workers=2).results
    ),
    "each, one": lambda client, agents: client.each(agents, Agent.refresh, max_workers=2)[
        agents[7]
    ],
    "each, with": lambda client, agents: client.each(agents, Agent.refresh, max_workers=2).__exit__(
        None, None, None
    ),
    "ports": lambda client, agents: client.ports(agents, max_workers=2),
    "logs": lambda client, agents: client.logs(agents, max_workers=2),
    "metadata": lambda client, agents: client.metadata(agents, timeout=None, max_workers=2),
    "wait_ready": lambda client, agents: client.wait_ready(agents, max_workers=2),
}


@pytest.mark.usefixtures("ctrl_c_counts")
@pytest.mark.parametrize("use", USES)
def test_ctrl_c_ends_the_work(use: str) -> None:
    """
    Whatever waits for the results raises KeyboardInterrupt; by then no thread is left, nothing else was
    requested, and the connections are closed.
    """
    asked = threading.Barrier(3)
    gone: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        asked.wait(60)
        gone.append(conversation.until_gone())

    def interrupt() -> None:
        asked.wait(60)
        interrupt_in("work.py", "wait")

    with serving(script) as peer, Client(peer.url, "token", timeout=60) as client:
        agents = unknown(client, 8)
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            USES[use](client, agents)
        thread.join()
        assert threads() == []
        reached(lambda: len(gone) == 2)
        assert peer.accepted == 2


@pytest.mark.usefixtures("ctrl_c_counts")
def test_a_second_ctrl_c_leaves_a_function_that_does_not_end() -> None:
    """
    The first one waits for it, the second one does not.
    """
    gate, running = threading.Event(), threading.Event()
    with Client("http://127.0.0.1:9", "token") as client:

        def wait(agent: Agent) -> None:
            running.set()
            gate.wait(60)

        results = client.each(unknown(client, 2), wait, max_workers=1)

        def interrupt() -> None:
            running.wait(60)
            interrupt_in("work.py", "wait")
            interrupt_in("threading.py", "join", "_wait_for_tstate_lock")

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            results.wait()
        thread.join()
        gate.set()


@pytest.mark.usefixtures("ctrl_c_counts")
def test_a_signal_handler_may_cancel(client: Client, agents: list[Agent]) -> None:
    """
    The wait that it interrupts returns, because all agents are done.
    """
    running = threading.Event()
    results: list[Results[Any]] = []

    def work(agent: Agent) -> object:
        running.set()
        return agent.metadata(timeout=None) if agent == agents[0] else agent.refresh()

    def cancel(*_: object) -> None:
        results[0].cancel()

    def interrupt() -> None:
        running.wait(60)
        os.kill(os.getpid(), signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, cancel)
    try:
        for _ in range(20):
            running.clear()
            results[:] = [client.each(agents, work, max_workers=2)]
            sender = InThread(interrupt)
            assert results[0].wait(60)
            sender.ended()
            assert len(results[0].results) + len(results[0].failures) == 6
    finally:
        signal.signal(signal.SIGUSR1, old)
    reached(lambda: not threads())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_ends_the_work_in_the_child_alone(client: Client, agents: list[Agent]) -> None:
    """
    The child has none of the threads: agents without a result have failed there, and nothing hangs. The
    parent's work continues, and the child begins work of its own.
    """
    gate = threading.Event()
    results = client.each(agents, lambda agent: agent == agents[0] or gate.wait(60), max_workers=2)
    assert results[agents[0]] is True

    def in_child() -> list[Any]:
        found = [agent.label for agent, _ in results]
        kinds = sorted({type(error).__name__ for error in results.failures.values()})
        text = str(next(iter(results.failures.values())))
        own = client.each(agents, lambda agent: agent.refresh().name)
        return [found, kinds, len(results.failures), text, sorted(own.results.values())]

    found, kinds, count, text, own = Child(in_child).result()
    assert (found, kinds, count) == (["w0.main"], [BatchCanceledError.__name__], 5)
    assert "the call belongs to the process that this process was forked from" in text
    assert own == ["main"] * 6
    gate.set()
    assert results.wait(60)
    assert not results.failures


PROGRAM = r"""
import sys, threading
from coder_agents import Agent, Client

client = Client(sys.argv[1], sys.argv[2])
agents = list(client.agents())
begun = threading.Event()

def work(agent):
    begun.wait(60)
    sys.stdout.write(agent.refresh().name + "\n")

client.each(agents, work, max_workers=2)
begun.set()
"""


def test_the_interpreter_waits_for_the_work(deployment: Deployment) -> None:
    """
    A program whose last statement begins the work ends when it is done, as with futures.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, deployment.url, deployment.token],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["main"] * 6


INTERRUPTED = """
import json, signal, sys, threading
from coder_agents import Client

client = Client(sys.argv[1], sys.argv[2])
agents = list(client.agents())
found = client.ports(agents)

def work():
    global found
    found = client.each(agents, lambda agent: agent.refresh().name, max_workers=3)
    assert len(list(found)) == 6
    client.ports(agents, max_workers=3).raise_for_failures()

work()  # an interrupted import cannot be repeated
signal.signal(signal.SIGINT, signal.default_int_handler)
for _ in range(int(sys.argv[3])):
    print("ready", flush=True)
    try:
        while True:
            work()
    except KeyboardInterrupt:
        found.wait()
        print(len(found.results) + len(found.failures), flush=True)
"""


def test_ctrl_c_at_any_moment_leaves_nothing(deployment: Deployment) -> None:
    """
    Wherever a signal meets the program, each agent has an outcome, and the program can continue.
    """
    count = times(12, 300)
    words = [sys.executable, "-c", INTERRUPTED, deployment.url, deployment.token, str(count)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for number in range(count):
            assert process.stdout.readline() == "ready\n"
            threading.Event().wait(0.03 + 0.0017 * (number % 50))
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "6\n"
        _, err = process.communicate(timeout=60)
    assert err == ""
