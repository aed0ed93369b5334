"""
Clients and streams in processes that were forked.
"""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from effort import times
from forked import Child

from coder_agents import Agent, Client, StreamEnd, StreamError
from coder_agents.testing import Deployment, EmbeddedAgent

from .playing import CHECKING, LONG, QUICK, add_agents, found, poll_until, routes

pytestmark = [
    pytest.mark.unmeasured,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment, plain and over TLS, that soon drops who does not answer its pings.
    """
    with Deployment(tls=request.param, ping_interval=0.2, metadata_interval=0.05) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent of it with five lines.
    """
    made = deployment.add_agent(workspace="w0")
    made.push_logs([f"line {number}" for number in range(5)])
    made.set_metadata("key", "value")
    made.set_containers([])
    made.set_ports([])
    return made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client(stream_options=QUICK) as made:
        yield made


def openers(client: Client, agent: Agent) -> dict[str, Callable[[], Any]]:
    """
    Return what opens each kind of stream.
    """
    return {
        "logs": agent.follow_logs,
        "metadata": agent.watch_metadata,
        "containers": agent.watch_containers,
        "ports": agent.watch_listening_ports,
        "several": lambda: client.follow_logs([agent]),
        "builds": lambda: agent.follow_logs(across_builds=True),
    }


KINDS = ["logs", "metadata", "containers", "ports", "several", "builds"]

# Over TLS a child could write to the connection as well.
EACH_KIND = [*itertools.product([True], KINDS), (False, "logs")]
SOME_KINDS = [(True, "logs"), (False, "several")]


def use_in_child(stream: Any) -> list[str]:
    """
    Try to read *stream* in each way; return what happens.
    """
    happened = [stream.end.name]
    reads: list[Callable[[], Any]] = [
        lambda: next(stream),
        lambda: stream.poll(0),
        lambda: stream.poll(None),
        lambda: next(stream.batches()),
    ]
    for read in reads:
        try:
            happened.append(f"got {read()}")
        except StreamError:
            happened.append("StreamError")
    happened.append(stream.end.name)
    return happened


@pytest.mark.parametrize(("deployment", "kind"), EACH_KIND, indirect=["deployment"])
def test_a_stream_cannot_be_read_in_a_child(
    client: Client, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    It raises StreamError there, has ended as forked and has nothing pending; the parent's is whole.
    """
    (agent,) = found(client, [embedded])
    with openers(client, agent)[kind]() as stream:
        assert stream.poll(LONG) is not None
        child = Child(lambda: use_in_child(stream))
        assert child.result() == ["FORKED", *["StreamError"] * 4, "FORKED"]
        assert stream.end is None
        if kind in ("logs", "several", "builds"):
            rest = [stream.poll(LONG) for _ in range(4)]
            assert all(rest)
        embedded.push_logs(["new"])
        assert stream.stats.reconnects == 0


def test_the_error_says_what_to_do(client: Client, embedded: EmbeddedAgent) -> None:
    """
    It names the fork, and has the bookmark from which a child may continue.
    """

    def read() -> list[Any]:
        try:
            next(stream)
        except StreamError as error:
            return [str(error), error.last_id, error.bookmark]
        return []

    (agent,) = found(client, [embedded])
    with agent.follow_logs() as stream:
        next(stream)
        text, last_id, bookmark = Child(read).result()
        assert "fork" in text
        assert (last_id, bookmark) == (stream.last_id, stream.bookmark)


def closes(stream: Any) -> None:
    """
    Close it.
    """
    stream.close()


def leaves_with(stream: Any) -> None:
    """
    Leave a with block.
    """
    with stream:
        pass


def throws(stream: Any) -> None:
    """
    Throw into it.
    """
    try:
        stream.throw(KeyError)
    except KeyError:
        pass


def reads(stream: Any) -> None:
    """
    Try to read it.
    """
    use_in_child(stream)


def does_nothing(stream: Any) -> None:
    """
    End.
    """


ACTS = [closes, leaves_with, throws, reads, does_nothing]
EACH_ACT = [*itertools.product([True], KINDS, ACTS), *itertools.product([False], ["logs"], ACTS)]


@pytest.mark.parametrize(("deployment", "kind", "act"), EACH_ACT, indirect=["deployment"])
def test_what_a_child_does_with_a_stream_does_not_disturb_the_parent(
    deployment: Deployment, client: Client, embedded: EmbeddedAgent, kind: str, act: Any
) -> None:
    """
    The connection is shared with the child, and neither shut down nor written to there.
    """
    (agent,) = found(client, [embedded])
    stream = openers(client, agent)[kind]()
    assert stream.poll(LONG) is not None
    before = len(deployment.requests)

    def work() -> str:
        act(stream)
        return "done"

    assert Child(work).result() == "done"
    if kind in ("logs", "several", "builds"):
        assert all(stream.poll(LONG) for _ in range(4))
        embedded.push_logs(["new"])
        assert "new" in str(stream.poll(LONG))
    elif kind == "metadata":
        embedded.set_metadata("key", "new")
        poll_values(stream, "new")
    assert stream.stats.reconnects == 0
    assert stream.end is None
    if kind != "ports":
        assert len(deployment.requests) == before
    stream.close()


def poll_values(stream: Any, value: str) -> None:
    """
    Read states until one has *value*.
    """
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        items = stream.poll(LONG)
        if items is not None and items[0].result.value.strip() == value:
            return
    raise AssertionError(value)


def test_a_stream_that_is_collected_in_a_child_warns_of_nothing(
    deployment: Deployment, client: Client, embedded: EmbeddedAgent
) -> None:
    """
    It is not the child's to close; the parent's stays whole.
    """
    (agent,) = found(client, [embedded])
    held: list[Any] = [agent.follow_logs(), client.follow_logs([agent]), agent.watch_metadata()]
    assert all(each.poll(LONG) for each in held)

    def work() -> str:
        held.clear()
        gc.collect()
        return "done"

    assert Child(work).result() == "done"
    embedded.push_logs(["new"])
    embedded.set_metadata("key", "new")
    for stream in held[:2]:
        assert all(stream.poll(LONG) for _ in range(5))
    poll_values(held[2], "new")
    for stream in held:
        assert stream.stats.reconnects == 0
        stream.close()


@pytest.mark.parametrize("deployment", [True], indirect=True, ids=["tls"])
def test_a_child_that_ends_as_programs_do_disturbs_nothing(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    The interpreter of the child is finalized, all its objects too; it prints no warning.
    """
    program = textwrap.dedent(
        """
        import os, sys
        from coder_agents import Client

        client = Client(sys.argv[1], sys.argv[2], verify=sys.argv[3] or True)
        agent = client.agent(sys.argv[4])
        stream, several = agent.follow_logs(), client.follow_logs([agent])
        for each in (stream, several):
            for _ in range(5):
                next(each)
        if os.fork() == 0:
            sys.exit(0)
        _, status = os.wait()
        print(status, flush=True)
        sys.stdin.readline()
        print(next(stream), next(several), stream.stats.reconnects, several.stats.reconnects)
        stream.close()
        several.close()
        """
    )
    flags = ["-W", "always", "-W", "ignore::DeprecationWarning"]
    arguments = [deployment.url, deployment.token, str(deployment.ca_file or ""), str(embedded.id)]
    with subprocess.Popen(
        [sys.executable, *flags, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdin is not None
        assert running.stderr is not None
        assert running.stdout.readline() == "0\n"
        embedded.push_logs(["new"])
        print(file=running.stdin, flush=True)
        told = running.stdout.read()
        assert running.stderr.read() == ""
    assert told.count("new") == 2
    assert told.endswith(" 0 0\n")


@pytest.mark.parametrize(("deployment", "kind"), SOME_KINDS, indirect=["deployment"])
def test_a_callback_that_forks_ends_the_stream_in_the_child_alone(
    deployment: Deployment, kind: str
) -> None:
    """
    The child returns from the callback into the read that its parent began, after the pause before the
    next connection; it dials none.
    """
    embedded = deployment.add_agent(workspace="forks")
    embedded.push_logs(["one"])
    deployment.faults.add("drop", route="logs_follow", after=1)
    program = textwrap.dedent(
        """
        import os, sys, time
        from coder_agents import Client, Reconnect, StreamError, StreamOptions

        children = []

        def fork(*_):
            children.append(os.fork())
            if children[-1] == 0:
                time.sleep(0.1)

        client = Client(sys.argv[1], sys.argv[2], verify=sys.argv[3] or True)
        options = StreamOptions(on_reconnect=fork, reconnect=Reconnect(initial=0.01))
        agent = client.agent(sys.argv[4])
        if sys.argv[5] == "logs":
            stream = agent.follow_logs(options=options)
        else:
            stream = client.follow_logs([agent], options=options)
        next(stream)
        try:
            next(stream)
        except StreamError as error:
            assert children[-1] == 0, children
            print("child", stream.end.name, "forked" in str(error), error.last_id is not None, flush=True)
            sys.exit(0)
        for child in children:
            os.waitpid(child, 0)
        print("parent", stream.stats.items, stream.end, flush=True)
        stream.close()
        """
    )
    flags = ["-W", "always", "-W", "ignore::DeprecationWarning"]
    arguments = [deployment.url, deployment.token, str(deployment.ca_file or ""), str(embedded.id)]
    with subprocess.Popen(
        [sys.executable, *flags, "-c", program, *arguments, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        told = running.stdout.readline()
        embedded.push_logs(["two"])  # lets parent and child end, whatever they do
        assert told == "child FORKED True True\n"
        assert running.stdout.read() == "parent 2 None\n"
        assert running.stderr.read() == ""


CALLS = times(8, 50)
CHILDREN = 4


def test_a_client_gives_right_answers_in_parent_and_children(deployment: Deployment) -> None:
    """
    Used before the fork and by all processes at once, it mixes nothing up.
    """
    agents = add_agents(deployment, 5)
    for each in agents:
        each.push_logs([f"of {each.id}"])
    with deployment.client(stream_options=QUICK) as client:
        followed = found(client, agents)
        for agent in followed:
            agent.logs()

        def wrong_answers() -> list[str]:
            wrong = []
            for number in range(CALLS):
                asked = followed[number % len(followed)]
                lines = [log.output for log in asked.logs()]
                if lines != [f"of {asked.id}"]:
                    wrong.append(f"{asked.id}: {lines}")
                if asked.refresh().id != asked.id:
                    wrong.append("another agent")
            return wrong

        children = [Child(wrong_answers) for _ in range(CHILDREN)]
        wrong = [wrong_answers(), *(child.result() for child in children)]
    assert wrong == [[]] * (CHILDREN + 1)
    assert len(routes(deployment, "logs")) == len(agents) + CALLS * (CHILDREN + 1)


def test_processes_share_no_connection(deployment: Deployment, embedded: EmbeddedAgent) -> None:
    """
    Each dials its own, and goes on with it.
    """
    with deployment.client(stream_options=QUICK) as client:
        agent = client.agent(embedded.id)
        deployment.requests.clear()
        children = [Child(lambda: [len(agent.logs()) for _ in range(3)]) for _ in range(2)]
        counts = [[len(agent.logs()) for _ in range(3)], *(child.result() for child in children)]
    assert counts == [[5, 5, 5]] * 3
    assert len({each.connection for each in routes(deployment, "logs")}) == 3


@pytest.mark.parametrize(("deployment", "kind"), EACH_KIND, indirect=["deployment"])
def test_a_child_opens_streams_of_its_own(
    deployment: Deployment, client: Client, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    It uses the client and the agent of before the fork, while the parent's stream is open.
    """
    (agent,) = found(client, [embedded])
    with openers(client, agent)[kind]() as stream:
        assert stream.poll(LONG) is not None

        def work() -> str:
            with openers(client, agent)[kind]() as own:
                assert own.poll(LONG) is not None
            return "open" if own.end is None else own.end.name

        children = [Child(work) for _ in range(2)]
        assert [child.result() for child in children] == ["CLOSED", "CLOSED"]
        assert stream.end is None
        assert stream.stats.reconnects == 0


def test_a_child_continues_at_the_bookmark(client: Client, embedded: EmbeddedAgent) -> None:
    """
    What the parent's stream has handed out is where the child's begins.
    """
    (agent,) = found(client, [embedded])
    with agent.follow_logs() as stream:
        assert [next(stream).output for _ in range(2)] == ["line 0", "line 1"]

        def work() -> list[str]:
            with agent.follow_logs(after=stream.bookmark) as own:
                return [next(own).output for _ in range(3)]

        assert Child(work).result() == ["line 2", "line 3", "line 4"]
        assert [next(stream).output for _ in range(3)] == ["line 2", "line 3", "line 4"]


def test_checks_go_on_in_parent_and_child(deployment: Deployment, embedded: EmbeddedAgent) -> None:
    """
    The kept connection of the parent's checks is not the child's.
    """
    with deployment.client(stream_options=CHECKING) as client:
        agent = client.agent(embedded.id)
        with agent.follow_logs() as stream:
            poll_until(stream, lambda: stream.stats.checks)

            def work() -> bool:
                with agent.follow_logs() as own:
                    poll_until(own, lambda: own.stats.checks)
                    return own.stats.reconnects == 0

            child = Child(work)
            checks = stream.stats.checks
            embedded.push_logs(["more"])
            poll_until(stream, lambda: stream.stats.checks > checks)
            assert child.result()
            assert stream.stats.reconnects == 0
    assert len({each.connection for each in routes(deployment, "logs")}) == 2


@pytest.mark.parametrize(("deployment", "kind"), SOME_KINDS, indirect=["deployment"])
def test_a_fork_while_another_thread_reads(
    client: Client, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    The child's copy is neither locked nor busy: the thread that read it does not exist there.
    """
    (agent,) = found(client, [embedded])
    with openers(client, agent)[kind]() as stream:
        came: list[Any] = []
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                item = stream.poll(0.05)
                if item is not None:
                    came.append(item)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for number in range(10):
                embedded.push_logs([f"more {number}"])
                child = Child(lambda: use_in_child(stream))
                assert child.result() == ["FORKED", *["StreamError"] * 4, "FORKED"]
        finally:
            until = time.monotonic() + LONG
            while len(came) < 15 and time.monotonic() < until:
                time.sleep(0.01)
            stop.set()
            reader.join()
        assert len(came) == 15
        assert stream.stats.reconnects == 0


def test_a_fork_while_several_agents_reconnect(deployment: Deployment) -> None:
    """
    Threads that connect are not in the child; closing the stream there waits for none.
    """
    agents = add_agents(deployment, 4)
    with deployment.client(stream_options=QUICK, timeout=(60, 60)) as client:
        followed = found(client, agents)
        with client.follow_logs(followed) as stream:
            for each in agents:
                each.push_logs(["line"])
            assert all(stream.poll(LONG) for _ in agents)
            hanging = deployment.faults.add(
                "silence", route="logs_follow", at="request", times=None
            )
            deployment.restart()
            poll_until(stream, lambda: hanging.struck == len(agents))

            def work() -> str:
                stream.close()
                return str(stream.end.name if stream.end else None)

            assert Child(work).result() == "FORKED"
            deployment.faults.clear()
            for each in agents:
                each.push_logs(["more"])
            assert all(stream.poll(LONG) for _ in agents)


def test_a_stream_that_ended_before_the_fork_ended_so(
    client: Client, embedded: EmbeddedAgent
) -> None:
    """
    What is over stays what it is in the child.
    """
    (agent,) = found(client, [embedded])
    stream = agent.follow_logs()
    next(stream)
    stream.close()

    def work() -> list[Any]:
        return [stream.end.name if stream.end else None, next(stream, None), stream.poll(0)]

    assert stream.end is StreamEnd.CLOSED
    assert Child(work).result() == ["CLOSED", None, None]


def test_children_of_children(client: Client, embedded: EmbeddedAgent) -> None:
    """
    A stream that a child opened is forked in its own child, and the client works there too.
    """
    (agent,) = found(client, [embedded])
    with agent.follow_logs() as stream:
        next(stream)

        def work() -> list[Any]:
            with agent.follow_logs() as own:
                next(own)
                grandchild = Child(lambda: [use_in_child(own)[0], len(agent.logs())])
                told = grandchild.result()
                return [*told, next(own).output, own.stats.reconnects]

        assert Child(work).result() == ["FORKED", 5, "line 1", 0]
        assert next(stream).output == "line 1"
