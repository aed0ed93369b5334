"""
Ctrl-C at any moment: it passes through, and leaves nothing open, locked or lost.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import importlib
import inspect
import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from driving import asleep, reached, signalled_when_waiting
from effort import times
from tracing import BytecodeTracer

import coder_agents
from coder_agents import Client, StreamEnd
from coder_agents.testing import Deployment, EmbeddedAgent

from .playing import (
    LONG,
    ON_TIME,
    QUICK,
    add_agents,
    found,
    no_collection,
    streams_gone,
)

pytestmark = pytest.mark.unmeasured

ROUNDS = times(10, 150)
core_module: Any = importlib.import_module("coder_agents.streams.core")
stream_module: Any = importlib.import_module("coder_agents.streams.stream")
PACKAGE = os.path.dirname(coder_agents.__file__)

# All in C but for the stream's own code: where an interrupt comes, no item is between the
# stream and the list that it goes to.
Reader = Callable[[Any], Iterable[Any]]
READERS: dict[str, Reader] = {
    "for": iter,
    "next": lambda stream: map(next, itertools.repeat(stream)),
    "poll(0)": lambda stream: filter(None, map(stream.poll, itertools.repeat(0))),
    "poll(0.001)": lambda stream: filter(None, map(stream.poll, itertools.repeat(0.001))),
    "poll(None)": lambda stream: filter(None, map(stream.poll, itertools.repeat(None))),
    "batches": lambda stream: itertools.chain.from_iterable(stream.batches()),
}


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment.
    """
    with Deployment() as made:
        yield made


@pytest.fixture
def interrupts() -> Iterator[None]:
    """
    Let SIGALRM and SIGINT raise KeyboardInterrupt, as Ctrl-C does, and none be swallowed.

    Python swallows what is raised while it collects garbage.
    """
    old = [signal.signal(each, signal.default_int_handler) for each in SIGNALS]
    with no_collection():
        yield
    for each, handler in zip(SIGNALS, old, strict=True):
        signal.signal(each, handler)


SIGNALS = (signal.SIGALRM, signal.SIGINT)


def by_timer(seconds: float) -> Callable[[], None]:
    """
    Interrupt this thread after *seconds*; return what to do when it has been.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return lambda: None


def by_thread(seconds: float) -> Callable[[], None]:
    """
    The same by a thread that sends SIGINT.
    """

    def send() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    return thread.join


def when_waiting() -> Callable[[], None]:
    """
    The same when this thread waits for something to come.
    """
    interrupting = contextlib.ExitStack()
    interrupting.enter_context(signalled_when_waiting())
    return interrupting.close


def read_until_interrupted(
    into: list[Any], items: Iterable[Any], interrupt: Callable[[], Callable[[], None]]
) -> KeyboardInterrupt:
    """
    Add *items* to a list until an interrupt comes; return it.
    """
    sent: Callable[[], None] | None = None
    try:
        sent = interrupt()
        into.extend(items)
        time.sleep(LONG)  # it ended first
        raise AssertionError("no interrupt came")
    except KeyboardInterrupt as error:
        if sent is not None:
            sent()
        return error


class Feed:
    """
    A thread that writes lines to agents' logs, a few at a time.
    """

    def __init__(self, agents: list[EmbeddedAgent], seed: int = 0) -> None:
        self._agents = agents
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self.ids: list[int] = []
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while not self._stop.wait(self._random.uniform(0, 0.003)):
            count = self._random.randint(1, 8)
            self.ids += self._random.choice(self._agents).push_logs(["line"] * count)

    def stop(self) -> None:
        """
        Write nothing more.
        """
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("interrupt", [by_timer, by_thread])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.timeout(900)
def test_no_interrupt_loses_a_line_or_locks_a_stream(
    deployment: Deployment, interrupts: None, reader: str, interrupt: Any
) -> None:
    """
    After each the stream has ended as interrupted or is whole; all lines come exactly once.
    """
    chance = random.Random(reader)
    embedded = deployment.add_agent()
    feed = Feed([embedded])
    got: list[Any] = []
    kept: list[Any] = []  # what a user may keep: it keeps no socket
    with deployment.client(stream_options=QUICK) as client:
        agent = client.agent(embedded.id)
        stream = agent.follow_logs()
        for _ in range(ROUNDS):
            error = read_until_interrupted(
                got, READERS[reader](stream), lambda: interrupt(chance.uniform(0.0001, 0.008))
            )
            kept += [stream, error]
            if is_over(stream, got):
                stream = agent.follow_logs(after=stream.bookmark)
        feed.stop()
        drain(stream, got, len(feed.ids))
        stream.close()
        assert streams_gone(deployment)
    assert [log.id for log in got] == feed.ids  # nobody wrote late
    assert any(each.end is StreamEnd.INTERRUPTED for each in kept[::2])


def is_over(stream: Any, got: list[Any]) -> bool:
    """
    Check that a stream that was interrupted has ended, or is whole; return which.
    """
    assert stream.end in (None, StreamEnd.INTERRUPTED)
    item = stream.poll(0)  # raises ValueError where the stream is locked
    if stream.end is None:
        if item is not None:
            got.append(item)
        return False
    assert item is None
    assert next(stream, None) is None
    return True


def drain(stream: Any, got: list[Any], count: int) -> None:
    """
    Read until *count* items are there, and check that no more come.
    """
    while len(got) < count:
        item = stream.poll(LONG)
        assert item is not None
        got.append(item)
    assert stream.poll(0.2) is None


@pytest.mark.parametrize("reader", ["for", "poll(0)", "batches"])
@pytest.mark.timeout(900)
def test_no_interrupt_loses_a_line_of_several_agents(
    deployment: Deployment, interrupts: None, reader: str
) -> None:
    """
    The same for a stream of several agents, continued from its bookmarks.
    """
    chance = random.Random(reader)
    agents = add_agents(deployment, 3)
    feed = Feed(agents)
    got: list[Any] = []
    kept: list[Any] = []
    with deployment.client(stream_options=QUICK) as client:
        followed = found(client, agents)
        stream = client.follow_logs(followed)
        for _ in range(ROUNDS // 2):
            error = read_until_interrupted(
                got, READERS[reader](stream), lambda: by_timer(chance.uniform(0.0001, 0.02))
            )
            kept += [stream, error]
            if is_over(stream, got):
                stream = client.follow_logs(followed, after=stream.bookmarks)
        feed.stop()
        drain(stream, got, len(feed.ids))
        stream.close()
        assert streams_gone(deployment)
    assert sorted(item.log.id for item in got) == sorted(feed.ids)
    for each in followed:
        theirs = [item.log.id for item in got if item.agent.id == each.id]
        assert theirs == sorted(theirs)


@pytest.mark.measured
@pytest.mark.parametrize("reader", READERS)
def test_an_interrupt_while_nothing_comes_ends_the_stream(
    deployment: Deployment, interrupts: None, reader: str
) -> None:
    """
    Whoever waits is woken, the end is "interrupted", and the connection is gone.
    """
    embedded = deployment.add_agent()
    embedded.push_logs(["line"])
    got: list[Any] = []
    with deployment.client(stream_options=QUICK) as client:
        stream = client.agent(embedded.id).follow_logs()
        got.append(stream.poll(LONG))
        # A reader that never waits is interrupted at some moment.
        interrupt = functools.partial(by_timer, 0.2) if reader == "poll(0)" else when_waiting
        read_until_interrupted(got, READERS[reader](stream), interrupt)
        assert [log.output for log in got] == ["line"]
        if reader == "poll(0)" and stream.end is None:  # it came between two polls
            assert stream.poll(0) is None
            stream.close()
            return
        assert stream.end is StreamEnd.INTERRUPTED
        assert str(stream.end) == "interrupted"
        assert next(stream, None) is None
        assert stream.poll(None) is None
        assert stream.stats.items == 1
        stream.close()
        assert stream.end is StreamEnd.INTERRUPTED
        assert streams_gone(deployment)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("silence", {"at": "request"}), ("silence", {"at": "message"}), ("delay", {"seconds": 600})],
)
def test_an_interrupt_while_it_connects_leaves_nothing(
    deployment: Deployment, interrupts: None, kind: str, options: Any
) -> None:
    """
    Neither the call that opens a stream nor one that opens several leaves a connection.
    """
    agents = add_agents(deployment, 3)
    deployment.faults.add(kind, route="logs_follow", times=None, **options)
    with deployment.client(stream_options=QUICK) as client:
        followed = found(client, agents)
        opening: list[Callable[[], Any]] = [
            lambda: next(followed[0].follow_logs()),
            lambda: next(client.follow_logs(followed)),
        ]
        for act in opening:
            with signalled_when_waiting(), pytest.raises(KeyboardInterrupt):
                act()
            assert streams_gone(deployment)


def every_stream(client: Client, deployment: Deployment) -> dict[str, Callable[[], Any]]:
    """
    Return what opens each kind of stream.
    """
    embedded = add_agents(deployment, 2)
    for each in embedded:
        each.set_metadata("key", "value")
        each.set_containers([])
        each.push_logs(["line"])
    agents = found(client, embedded)
    return {
        "logs": agents[0].follow_logs,
        "metadata": agents[0].watch_metadata,
        "containers": agents[0].watch_containers,
        "ports": agents[0].watch_listening_ports,
        "several": lambda: client.follow_logs(agents),
    }


KINDS = ["logs", "metadata", "containers", "ports", "several"]


@pytest.mark.measured
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "end"),
    [
        (KeyboardInterrupt, StreamEnd.INTERRUPTED),
        (KeyError, StreamEnd.CLOSED),
        (SystemExit, StreamEnd.CLOSED),
    ],
)
def test_ctrl_c_in_the_body_of_a_with(
    deployment: Deployment, kind: str, error: type[BaseException], end: StreamEnd
) -> None:
    """
    The end is "interrupted"; for any other exception it is a close by this program.
    """
    with deployment.client(stream_options=QUICK) as client:
        stream = every_stream(client, deployment)[kind]()
        with pytest.raises(error):
            with stream:
                next(stream)
                raise error
        assert stream.end is end
        assert streams_gone(deployment)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", ["for", "poll(None)", "batches"])
def test_the_traceback_of_ctrl_c_is_short(
    deployment: Deployment, interrupts: None, kind: str, reader: str
) -> None:
    """
    It has the user's frames and at most three of ours, and no second exception.
    """
    with deployment.client(stream_options=QUICK) as client:
        stream = every_stream(client, deployment)[kind]()
        error = read_until_interrupted([], READERS[reader](stream), when_waiting)
        stream.close()
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if each.filename.startswith(PACKAGE)]
    assert len(ours) <= 3, ours
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert len("".join(traceback.format_exception(error)).splitlines()) <= 15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", ["for", "poll(None)", "batches"])
def test_a_notebook_can_show_the_traceback_of_ctrl_c(
    deployment: Deployment, interrupts: None, kind: str, reader: str
) -> None:
    """
    IPython shows the arguments of each frame, and none of them was deleted.
    """
    with deployment.client(stream_options=QUICK) as client:
        stream = every_stream(client, deployment)[kind]()
        error = read_until_interrupted([], READERS[reader](stream), when_waiting)
        stream.close()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        assert inspect.formatargvalues(*inspect.getargvalues(frame))


def test_what_ctrl_c_prints_is_short(interrupts: None) -> None:
    """
    A program that follows a log and is interrupted prints 15 lines at most, and no warning.
    """
    program = textwrap.dedent(
        """
        from coder_agents.testing import Deployment

        with Deployment() as deployment:
            embedded = deployment.add_agent()
            embedded.push_logs(["line"])
            client = deployment.client()
            agent = client.agent(embedded.id)
            for log in agent.follow_logs():
                print(log, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-W", "always", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().endswith("line\n")
        reached(lambda: asleep(running.pid))
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert len(told.splitlines()) <= 15, told
    assert "Warning" not in told
    assert "ignored" not in told


# What the constructs are that make it so, read from the code itself.


def functions(module: Any) -> Iterator[tuple[str, types.FunctionType]]:
    """
    Return the functions and methods of a module, by their names.
    """
    for holder in [module, *vars(module).values()]:
        if getattr(holder, "__module__", module.__name__) != module.__name__:
            continue
        for name, value in list(vars(holder).items()) if hasattr(holder, "__dict__") else []:
            if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                yield f"{getattr(holder, '__name__', '')}.{name}", value


def final_blocks(function: types.FunctionType) -> Iterator[tuple[range, range]]:
    """
    Return for each ``finally`` that releases an owner the lines before the release, and the line
    of the release.
    """
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    for block in ast.walk(tree):
        if not isinstance(block, ast.Try) or not block.finalbody:
            continue
        for node in ast.walk(ast.Module(block.finalbody, [])):
            if isinstance(node, ast.Delete) and "owner" in ast.unparse(node):
                begin, release = block.finalbody[0].lineno + first - 1, node.lineno + first - 1
                yield range(begin, release), range(release, release + 1)


RUNS_CODE = ("CALL", "PRECALL", "FOR_ITER", "GET_ITER", "SEND", "YIELD", "IMPORT", "LOAD_SUPER")


def test_nothing_runs_in_a_finally_before_the_owner_is_released() -> None:
    """
    No call, property or loop stands between the end of the work and the release.
    """
    checked = 0
    for name, function in functions(core_module):
        for before, release in final_blocks(function):
            checked += 1
            for each in dis.get_instructions(function):
                line = each.positions.lineno if each.positions is not None else None
                if line not in before and line not in release:
                    continue
                where = f"{name}, line {line}: {each.opname} {each.argrepr}"
                assert not each.opname.startswith(RUNS_CODE), where
                assert "BACKWARD" not in each.opname, where
                if each.opname in ("LOAD_ATTR", "STORE_ATTR", "LOAD_METHOD"):
                    # A slot of the core is read in C; a property would run code.
                    slot = getattr(core_module.Core, each.argval, None)
                    assert isinstance(slot, types.MemberDescriptorType), where
    assert checked >= 2  # who reads and who frees


def test_nothing_runs_between_taking_an_item_and_returning_it() -> None:
    """
    There is no call from ``pending[0]`` to the return: no signal handler comes between.
    """
    harmless = {
        "BINARY_SUBSCR",
        "BINARY_OP",
        "CACHE",
        "COPY",
        "DELETE_FAST",
        "DELETE_SUBSCR",
        "EXTENDED_ARG",
        "LOAD_CONST",
        "LOAD_FAST",
        "LOAD_FAST_LOAD_FAST",
        "LOAD_FAST_BORROW",
        "LOAD_SMALL_INT",
        "NOP",
        "POP_TOP",
        "RETURN_VALUE",
        "STORE_FAST",
        "STORE_FAST_LOAD_FAST",
        "STORE_FAST_STORE_FAST",
        "SWAP",
    }
    checked = []
    for name, function in functions(stream_module):
        code = list(dis.get_instructions(function))
        for at, each in enumerate(code):
            if each.opname != "DELETE_SUBSCR":
                continue
            taking = max(n for n in range(at) if code[n].opname in ("BINARY_SUBSCR", "BINARY_OP"))
            returning = next(n for n in range(at, len(code)) if code[n].opname == "RETURN_VALUE")
            between = [one.opname for one in code[taking:returning]]
            assert set(between) <= harmless, (name, between)
            checked.append(name)
    assert {"Stream.__next__", "Stream.poll"} <= set(checked)


# What a signal handler sees.


class Spy(BytecodeTracer):
    """
    Looks at a stream before every bytecode of this package.
    """

    def __init__(self, check: Callable[[types.FrameType], None]) -> None:
        self._check = check
        self.checks = 0

    def __call__(self, frame: types.FrameType, event: str, arg: object) -> Any:
        """
        Trace what belongs to streams.
        """
        if f"{PACKAGE}/streams" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.checks += 1
            self._check(frame)
        return self


def states(stream: Any) -> tuple[Any, ...]:
    """
    Return what a stream says of how far it has come.
    """
    return stream.bookmark, stream.last_id, stream.stats.items, stream.stats.late


def test_a_bookmark_is_right_at_every_bytecode(deployment: Deployment) -> None:
    """
    It counts the lines that were handed out and no other, whenever a signal handler reads it.
    """
    embedded = deployment.add_agent()
    embedded.push_logs([f"line {number}" for number in range(6)])
    wrong: list[str] = []
    with deployment.client(stream_options=QUICK) as client:
        agent = client.agent(embedded.id)
        with agent.follow_logs() as model, agent.follow_logs() as stream:
            right = [states(model)]
            handed_out = 0

            def check(frame: types.FrameType) -> None:
                seen = states(stream)
                name = frame.f_code.co_name
                # Taken and not yet returned: only the method that takes a line can be there.
                taken = right[handed_out + 1] if name in ("__next__", "poll") else None
                if seen not in (right[handed_out], taken):
                    wrong.append(f"{name}:{frame.f_lineno} has {seen}, not {right[handed_out]}")

            for number in range(12):
                if number >= 6:
                    embedded.push_logs([f"line {number}"])
                assert model.poll(LONG)
                right.append(states(model))
                with Spy(check) as spy:
                    log = stream.poll(LONG) if number % 2 else next(stream)
                    assert log is not None
                    handed_out += 1
                assert spy.checks > 5
    assert not wrong, wrong[:10]


def test_a_bookmark_is_right_at_every_bytecode_of_batches(deployment: Deployment) -> None:
    """
    A batch is handed out as a whole: the bookmark is the one before it or the one after it.
    """
    embedded = deployment.add_agent()
    wrong: list[str] = []
    with deployment.client(stream_options=QUICK) as client:
        agent = client.agent(embedded.id)
        with agent.follow_logs() as model, agent.follow_logs() as stream:
            batches, its_batches = stream.batches(), model.batches()
            for number in range(5):
                embedded.push_logs([f"line {number}"] * 4)
                before = states(model)
                next(its_batches)
                after = states(model)

                def check(frame: types.FrameType) -> None:
                    seen = states(stream)
                    if seen not in (before, after):  # noqa: B023
                        wrong.append(f"{frame.f_code.co_name}:{frame.f_lineno} has {seen}")

                with Spy(check) as spy:
                    assert len(next(batches)) == 4
                assert spy.checks > 5
                assert states(stream) == after
    assert not wrong, wrong[:10]


def test_bookmarks_of_several_agents_are_right_at_every_bytecode(deployment: Deployment) -> None:
    """
    The bookmark of each agent counts its lines that were handed out and no other.
    """
    agents = add_agents(deployment, 2)
    wrong: list[str] = []
    with deployment.client(stream_options=QUICK) as client:
        followed = found(client, agents)
        with client.follow_logs(followed) as model, client.follow_logs(followed) as stream:

            def all_states(of: Any) -> tuple[Any, ...]:
                return dict(of.bookmarks), of.stats.items

            for number in range(8):
                agents[number % 2].push_logs([f"line {number}"])
                before = all_states(model)
                assert model.poll(LONG)
                after = all_states(model)

                def check(frame: types.FrameType) -> None:
                    seen = all_states(stream)
                    if seen not in (before, after):  # noqa: B023
                        wrong.append(f"{frame.f_code.co_name}:{frame.f_lineno} has {seen}")

                with Spy(check) as spy:
                    assert stream.poll(LONG)
                assert spy.checks > 5
                assert all_states(stream) == after
    assert not wrong, wrong[:10]


def test_a_signal_handler_reads_what_is_right(deployment: Deployment, interrupts: None) -> None:
    """
    A handler that saves the bookmark, and another program that continues there, miss no line.
    """
    embedded = deployment.add_agent()
    feed = Feed([embedded])
    seen: list[tuple[int, str, int | None]] = []
    got: list[Any] = []

    def save(number: int, frame: object) -> None:
        seen.append((stream.stats.items, stream.bookmark, stream.last_id))

    with deployment.client(stream_options=QUICK) as client:
        agent = client.agent(embedded.id)
        stream = agent.follow_logs()
        signal.signal(signal.SIGALRM, save)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
        try:
            while len(seen) < 300:
                log = stream.poll(0.01)
                if log is not None:
                    got.append(log.id)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            feed.stop()
        stream.close()
        for items, bookmark, last_id in seen[:: len(seen) // 20]:
            assert last_id == (got[items - 1] if items else None)
            with agent.follow_logs(after=bookmark) as again:
                assert [next(again).id for _ in got[items : items + 3]] == got[items : items + 3]


def test_closing_in_a_signal_handler_ends_the_loop(
    deployment: Deployment, interrupts: None
) -> None:
    """
    The loop ends without an error, as by a close from elsewhere.
    """
    embedded = deployment.add_agent()
    feed = Feed([embedded])
    with deployment.client(stream_options=QUICK) as client:
        for _ in range(30):
            stream = client.agent(embedded.id).follow_logs()
            signal.signal(signal.SIGALRM, lambda *_: stream.close())  # noqa: B023
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            began = time.monotonic()
            for _log in stream:
                pass
            assert time.monotonic() - began < ON_TIME
            assert stream.end is StreamEnd.CLOSED
        feed.stop()
        assert streams_gone(deployment)
