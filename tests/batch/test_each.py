"""
One function over several agents: what arrives, what fails, and what ends the work.
"""

from __future__ import annotations

import functools
import gc
import pickle
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from driving import InThread, reached
from peer import Conversation, serving

from coder_agents import (
    Agent,
    AgentResult,
    BatchCanceledError,
    BatchTimeoutError,
    Client,
    FunctionExitError,
    NotFoundError,
    Results,
)
from coder_agents.batch.threads import NAME, Threads
from coder_agents.batch.work import Work
from coder_agents.schema import WorkspaceAgent
from coder_agents.testing import Deployment


def agent_of(client: Client, number: int = 1) -> Agent:
    """
    An agent that the deployment need not have.
    """
    return client._agent(WorkspaceAgent(id=uuid.UUID(int=number)), None)


def label(agent: Agent) -> str:
    """
    The function of most tests.
    """
    return agent.label


def threads() -> list[str]:
    """
    The threads of calls that are there now.
    """
    return [each.name for each in threading.enumerate() if each.name.startswith(NAME)]


def test_results_come_as_they_arrive(client: Client, agents: list[Agent]) -> None:
    """
    A result is yielded while other agents are still worked on, and each once; a second iteration yields
    all of them in the same order.
    """
    gates = {agent.id: threading.Event() for agent in agents}

    def wait(agent: Agent) -> str:
        assert gates[agent.id].wait(60)
        return agent.label

    results = client.each(agents, wait)
    assert not results.wait(0)
    order = [agents[number] for number in (3, 0, 5, 1, 2, 4)]
    found = []
    gates[order[0].id].set()
    for agent, result in results:
        found.append(agent)
        assert result == agent.label
        if len(found) < 6:
            gates[order[len(found)].id].set()
    assert found == order
    assert results.done
    assert [each.agent for each in results] == order
    assert threads() == []


def test_results_are_by_agent_in_the_order_of_the_agents(
    client: Client, agents: list[Agent]
) -> None:
    """
    The agents are the caller's objects, and a UUID is a key as well.
    """
    given = agents[::-1]
    results = client.each(given, label)
    assert list(results.results) == given
    assert all(key is agent for key, agent in zip(results.results, given, strict=True))
    assert results.results[agents[0].id] == results[agents[0]] == results[agents[0].id] == "w0.main"
    assert results.failures == {}
    assert results.raise_for_failures() is results
    assert len(results) == 6
    assert agents[0] in results
    assert agents[0].id in results
    assert uuid.uuid4() not in results
    with pytest.raises(KeyError):
        results[uuid.uuid4()]


def test_a_failure_is_kept_apart(client: Client, agents: list[Agent]) -> None:
    """
    Errors of the deployment, and those of the function, lose no result of another agent.
    """
    gone = agent_of(client)

    def read(agent: Agent) -> str:
        if agent == agents[2]:
            raise ZeroDivisionError("mine")
        return str(agent.refresh().id)

    results = client.each([gone, *agents], read)
    assert {agent for agent, _ in results} == {*agents} - {agents[2]}
    assert list(results.failures) == [gone, agents[2]]
    assert type(results.failures[gone]) is NotFoundError
    with pytest.raises(ZeroDivisionError, match="mine"):
        results[agents[2]]
    with pytest.raises(ExceptionGroup) as caught:
        results.raise_for_failures()
    assert caught.value.message == "2 of 7 agents failed"
    notes = [error.__notes__ for error in caught.value.exceptions]
    assert notes == [[f"Agent: {gone.id}"], [f"Agent: w2.main {agents[2].id}"]]
    with pytest.raises(ExceptionGroup) as again:
        results.raise_for_failures()
    assert [len(error.__notes__) for error in again.value.exceptions] == [1, 1]
    with pytest.raises(ExceptionGroup, match=r"^1 of 1 agent failed"):
        client.each([gone], read).raise_for_failures()


def test_work_continues_after_its_client_is_closed(deployment: Deployment) -> None:
    """
    The ``with`` block of the client may end before the results are read.
    """
    closed = threading.Event()

    def read(agent: Agent) -> list[str]:
        assert closed.wait(60)
        return [log.output for log in agent.logs()]

    with deployment.client() as client:
        results = client.each(client.agents(), read)
    closed.set()
    assert list(results.raise_for_failures().results.values()) == [[]] * 6


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit("no \x1b[31mdisk"), "SystemExit: no \\x1b[31mdisk"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
    ],
)
def test_what_would_end_a_program_is_a_failure_of_its_agent(
    client: Client, agents: list[Agent], error: BaseException, text: str
) -> None:
    """
    A function that calls `sys.exit` ends neither the program nor the work.
    """

    def leave(agent: Agent) -> str:
        if agent == agents[0]:
            raise error
        return agent.label

    results = client.each(agents, leave)
    assert len(results.results) == 5
    [failure] = results.failures.values()
    assert type(failure) is FunctionExitError
    assert failure.__cause__ is error
    assert str(failure) == f"w0.main: the function raised {text}"


def test_threads_are_bounded(client: Client, agents: list[Agent]) -> None:
    """
    At most *max_workers* agents are worked on at the same time, and that many are.
    """
    barrier = threading.Barrier(3)
    running: list[int] = []
    most: list[int] = []

    def work(agent: Agent) -> None:
        running.append(1)
        most.append(len(running))
        barrier.wait(60)
        running.pop()
        barrier.wait(60)

    assert client.each(agents, work, max_workers=3).wait()
    assert max(most) == 3


def test_an_agent_that_is_listed_twice_is_used_once(client: Client, agents: list[Agent]) -> None:
    """
    Its function is called once, and it counts once.
    """
    called: list[Agent] = []
    results = client.each([*agents, *agents], called.append)
    assert results.wait()
    assert len(results) == len(called) == 6


def test_no_agents_are_no_work(client: Client) -> None:
    """
    No thread is started, and everything is there at once.
    """
    results = client.each([], label, timeout=5)
    assert threads() == []
    assert results.done
    assert list(results) == []
    assert results.wait(0)
    assert dict(results.results) == {}
    assert list(results.records()) == []
    assert repr(results) == "<Results of 0 agents>"


def test_what_is_read_in_the_function_is_seen_outside(
    deployment: Deployment, client: Client, agents: list[Agent]
) -> None:
    """
    An agent that was refreshed is the caller's, and so is an agent that is returned.
    """
    deployment.agents[0].set_metadata("load", "1")
    before = agents[0].data
    results = client.each(agents[:1], lambda agent: (agent.refresh(), agent)[1])
    assert results[agents[0]] is agents[0]
    assert agents[0].data is not before
    client_after = agents[0]._http
    assert client_after is client._http


def test_a_result_can_use_the_deployment_later(client: Client, agents: list[Agent]) -> None:
    """
    The connections of the work are closed at its end, and an object of it dials again.
    """
    kept: list[Agent] = []
    client.each(agents[:1], kept.append).wait()
    assert kept[0].refresh().id == agents[0].id


def test_a_break_leaves_the_work_alone(client: Client, agents: list[Agent]) -> None:
    """
    Who has seen enough may come back for the others.
    """
    results = client.each(agents, label)
    for _ in results:
        break
    assert len(list(results)) == 6


def test_dropped_results_do_not_end_the_work(client: Client, agents: list[Agent]) -> None:
    """
    The function is called with each agent, as futures are completed.
    """
    gate, called = threading.Event(), []

    def wait(agent: Agent) -> None:
        gate.wait(60)
        called.append(agent)

    client.each(agents, wait, max_workers=2)
    gc.collect()
    gate.set()
    reached(lambda: len(called) == 6)


def test_a_wait_has_a_time_limit(client: Client, agents: list[Agent]) -> None:
    """
    The wait returns whether all are done, and ends nothing.
    """
    gate = threading.Event()
    results = client.each(agents, lambda agent: gate.wait(60))
    assert results.wait(0) is False
    assert results.wait(0.05) is False
    assert repr(results) == "<Results of 6 agents, 6 not done>"
    gate.set()
    assert results.wait(60) is True
    assert results.wait() is True
    assert list(results.results.values()) == [True] * 6
    with pytest.raises(ValueError, match="timeout must be 0 or more"):
        results.wait(-1)


def test_after_the_time_of_the_call_agents_without_a_result_have_failed(
    client: Client, agents: list[Agent]
) -> None:
    """
    What had arrived stays; who was worked on and who was not begun is told apart; a later result of
    an agent that has failed is not taken.
    """
    gate = threading.Event()

    def work(agent: Agent) -> str:
        if agent != agents[0]:
            gate.wait(60)
        return agent.label

    results = client.each(agents, work, max_workers=2, timeout=0.3)
    assert results.wait(60)
    assert dict(results.results) == {agents[0]: "w0.main"}
    failures = list(results.failures.values())
    assert {type(error) for error in failures} == {BatchTimeoutError}
    begun = [error for error in failures if isinstance(error, BatchTimeoutError) and error.begun]
    assert len(begun) == 2
    assert "w1.main: the 0.3 seconds of the call were over while the function ran" in str(begun[0])
    assert "before the agent's turn: give the call a longer timeout or more" in str(failures[-1])
    assert all(isinstance(error, TimeoutError) for error in failures)
    gate.set()
    reached(lambda: not threads())
    assert dict(results.results) == {agents[0]: "w0.main"}


def test_a_time_limit_needs_nobody_who_waits() -> None:
    """
    The connections are closed when the time is over, and the thread ends.
    """
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.until_gone()
        gone.set()

    with serving(script) as peer, Client(peer.url, "token", retries=0) as client:
        results = client.each([agent_of(client)], Agent.refresh, timeout=0.2)
        assert gone.wait(60)
        assert results.done


def test_work_that_is_done_in_time_has_no_thread_of_the_time_limit(
    client: Client, agents: list[Agent]
) -> None:
    """
    The thread that watches the time ends with the work.
    """
    results = client.each(agents, label, timeout=3600)
    assert results.wait(60)
    reached(lambda: not threads())
    assert not results.failures


STAGES: dict[str, Callable[[Conversation], object]] = {
    "before the answer": Conversation.read_head,
    "in the answer": lambda each: each.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_cancellation_closes_the_connections(stage: str) -> None:
    """
    Agents without a result get an error at once, nothing else is requested, and the threads end.
    """
    asked = threading.Barrier(3)
    gone: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        STAGES[stage](conversation) if stage == "in the answer" else None
        asked.wait(60)
        gone.append(conversation.until_gone())

    with serving(script) as peer, Client(peer.url, "token", timeout=60) as client:
        agents = [agent_of(client, number) for number in range(1, 9)]
        results = client.each(agents, Agent.refresh, max_workers=2)
        asked.wait(60)
        results.cancel()
        results.cancel()
        assert results.done
        failures = list(results.failures.values())
        assert {type(error) for error in failures} == {BatchCanceledError}
        assert sum(getattr(error, "begun", False) for error in failures) == 2
        assert "canceled while the function ran" in str(failures[0])
        assert "canceled before the agent's turn" in str(failures[-1])
        reached(lambda: not threads())
        assert peer.accepted == 2
    assert gone == [b"", b""]


def test_a_cancellation_ends_a_pause_between_two_tries() -> None:
    """
    A GET that failed is sent again, unless the work is over.
    """
    answered = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 503 Busy\r\nRetry-After: 50\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        answered.set()

    with serving(script) as peer, Client(peer.url, "token", timeout=60) as client:
        results = client.each([agent_of(client)], Agent.refresh)
        assert answered.wait(60)
        results.cancel()
        reached(lambda: not threads())
        assert peer.accepted == 1


def test_leaving_the_block_waits(client: Client, agents: list[Agent]) -> None:
    """
    After the block all agents are done.
    """
    with client.each(agents, label) as results:
        pass
    assert results.done
    assert threads() == []


def test_leaving_the_block_by_an_exception_cancels(client: Client, agents: list[Agent]) -> None:
    """
    The exception passes through, and the threads have ended by then.
    """
    called = []

    def work(agent: Agent) -> None:
        called.append(agent)
        if agent != agents[0]:
            list(agent.follow_logs())  # which does not end by itself

    with (
        pytest.raises(ZeroDivisionError),
        client.each(agents, work, max_workers=2) as results,
    ):
        next(iter(results))
        raise ZeroDivisionError
    assert threads() == []
    assert len(called) <= 3
    assert len(results.failures) >= 4


def test_one_agent_can_be_waited_for(client: Client, agents: list[Agent]) -> None:
    """
    Its result is there before the others are.
    """
    gate = threading.Event()
    results = client.each(agents, lambda agent: agent == agents[5] or gate.wait(60))
    assert results[agents[5]] is True
    assert not results.done
    gate.set()


def test_calls_can_be_nested_and_begun_in_a_thread(client: Client, agents: list[Agent]) -> None:
    """
    Each call has threads of its own, so that none waits for another one's.
    """

    def inner(agent: Agent) -> int:
        return len(client.each(agents, label, max_workers=1).results)

    reader = InThread(lambda: dict(client.each(agents, inner, max_workers=2).results))
    assert reader.ended() is None
    assert reader.result == dict.fromkeys(agents, 6)


def test_a_call_within_a_call_ends_with_the_outer_one() -> None:
    """
    The connections of the agents are closed, whichever call they are used in.
    """
    asked = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        asked.set()
        conversation.until_gone()

    with serving(script) as peer, Client(peer.url, "token", timeout=60) as client:
        inner: list[Results[Any]] = []

        def work(agent: Agent) -> None:
            inner.append(client.each([agent], Agent.refresh))
            inner[0].wait()

        outer = client.each([agent_of(client)], work)
        assert asked.wait(60)
        outer.cancel()
        reached(lambda: not threads())
        assert {type(error) for error in inner[0].failures.values()} == {BatchCanceledError}


def test_an_error_of_closing_ends_no_thread(
    client: Client, agents: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The result of the agent counts, and the other agents have their turns.
    """

    def refuse(self: object, agent_id: uuid.UUID) -> None:
        raise OSError("broken")

    monkeypatch.setattr("coder_agents.transport.RepeatingHTTP.release_agent", refuse)
    assert len(client.each(agents, label, max_workers=1).results) == 6


def test_an_error_that_is_a_result_stays_one(client: Client, agents: list[Agent]) -> None:
    """
    A function may return an exception, and a copy of the results has it in the same place.
    """
    results = client.each(agents[:1], lambda agent: ValueError("returned"))
    assert len(results.results) == 1
    assert len(pickle.loads(pickle.dumps(results)).results) == 1


def test_several_threads_may_wait(client: Client, agents: list[Agent]) -> None:
    """
    Each sees every result once.
    """
    gate = threading.Event()
    results = client.each(agents, lambda agent: gate.wait(60))
    readers = [InThread(lambda: [agent for agent, _ in results]) for _ in range(3)]
    gate.set()
    for reader in readers:
        assert reader.ended() is None
        assert sorted(map(hash, reader.result)) == sorted(map(hash, agents))  # type: ignore[call-overload]


def test_progress_is_reported_to_the_thread_that_waits(client: Client, agents: list[Agent]) -> None:
    """
    The numbers grow up to all agents, in a wait and in an iteration.
    """
    for use in (Results.wait, list):
        reports: list[tuple[int, int, bool]] = []

        def report(done: int, total: int, reports: list[Any] = reports) -> None:
            reports.append((done, total, threading.current_thread() is threading.main_thread()))

        results = client.each(agents, lambda agent: time.sleep(0.001), progress=report)
        use(results)
        counts = [done for done, _, _ in reports]
        assert counts == sorted(set(counts))
        assert counts[-1] == 6
        assert {(total, is_main) for _, total, is_main in reports} == {(6, True)}


def test_an_error_of_progress_passes_through(client: Client, agents: list[Agent]) -> None:
    """
    The work is canceled, as by Ctrl-C at that place.
    """

    def fail(done: int, total: int) -> None:
        raise ZeroDivisionError

    results = client.each(agents, lambda agent: agent.metadata(timeout=None), progress=fail)
    with pytest.raises(ZeroDivisionError):
        results.wait()
    assert threads() == []
    assert results.done


async def _asynchronous(agent: Agent) -> str:
    return agent.label


async def _asynchronous_generator(agent: Agent) -> AsyncIterator[str]:
    yield agent.label


def _generator(agent: Agent) -> Iterator[str]:
    yield agent.label


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"max_workers": 0}, ValueError, "max_workers must be 1 or more"),
    ({"max_workers": 1.5}, TypeError, "max_workers must be a whole number"),
    ({"timeout": -1}, ValueError, "timeout must be 0 or more"),
    ({"timeout": "5"}, TypeError, "timeout must be seconds or None"),
    ({"executor": 5}, TypeError, "executor must be a concurrent.futures.Executor or None, not int"),
    ({"progress": True}, TypeError, "progress must be a function, False or None"),
    ({"function": "uptime"}, TypeError, "function must be a function, not str"),
    ({"function": _asynchronous}, TypeError, "function must not be asynchronous, .* with def"),
    ({"function": functools.partial(_asynchronous)}, TypeError, "must not be asynchronous"),
    ({"function": _asynchronous_generator}, TypeError, "must not be asynchronous"),
    ({"function": _generator}, TypeError, "must not be a generator, .*: return a list"),
    ({"agents": "dev"}, TypeError, "agents must be several agents"),
    ({"agents": ["dev"]}, TypeError, "must be of the class Agent"),
]


@pytest.mark.parametrize(("wrong", "error", "text"), BAD)
def test_bad_arguments_are_refused(
    client: Client, agents: list[Agent], wrong: dict[str, Any], error: type[Exception], text: str
) -> None:
    """
    The error says what would be right, and the function is not called.
    """
    called: list[Agent] = []
    arguments = {"agents": agents, "function": called.append, **wrong}
    with pytest.raises(error, match=text):
        client.each(**arguments)
    assert called == threads() == []


def test_the_client_of_a_cluster_is_no_executor(client: Client, agents: list[Agent]) -> None:
    """
    The error names the method that returns one.
    """

    class Cluster:
        def get_executor(self) -> None:
            """
            As Dask's client has it.
            """

    executor: Any = Cluster()
    with pytest.raises(TypeError, match=r"not Cluster; pass client.get_executor\(\)"):
        client.each(agents, label, executor=executor)


def test_one_agent_is_not_several(client: Client, agents: list[Agent]) -> None:
    """
    The error shows what to write.
    """
    agent: Any = agents[0]
    with pytest.raises(TypeError, match=r"pass \[agent\]"):
        client.each(agent, label)


def test_agents_of_another_deployment_are_refused(client: Client, agents: list[Agent]) -> None:
    """
    Nothing is sent, so the token of one deployment goes to no other.
    """
    other = Client("https://other.example.com", "token")
    stranger, twin = agent_of(other), agent_of(other)
    twin._data = agents[0].data  # such as that of a copy of the whole deployment
    for each in (stranger, twin):
        with pytest.raises(ValueError, match="belongs to another deployment"):
            client.each([*agents, each], label)


def test_a_closed_client_begins_nothing(client: Client, agents: list[Agent]) -> None:
    """
    Neither the client that is called nor that of an agent may be closed.
    """
    other = Client(client._http.settings.url, "token")
    stranger = agent_of(other)
    other.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.each([stranger], label)
    with pytest.raises(RuntimeError, match="the client is closed"):
        other.each(agents, label)


def test_agents_of_another_client_keep_its_token(client: Client, agents: list[Agent]) -> None:
    """
    Two users of one deployment are told apart.
    """
    other = Client(client._http.settings.url, "another")
    stranger = agent_of(other)
    results = client.each([stranger, agents[0]], lambda agent: agent._http.settings.token)
    assert list(results.results.values()) == ["another", client._http.settings.token]


def test_where_threads_cannot_be_started_the_others_do_the_work(
    client: Client, agents: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A system has a limit of threads; without any thread the error is raised.
    """
    start, allowed = threading.Thread.start, [2, 0]

    def limited(self: threading.Thread) -> None:
        if self.name.startswith(NAME):
            if not allowed[0]:
                raise RuntimeError("can't start new thread")
            allowed[0] -= 1
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert len(client.each(agents, label, max_workers=5).results) == 6
    with pytest.raises(RuntimeError, match="can't start new thread"):
        client.each(agents, label)


def test_what_an_agent_keeps_open_is_closed_when_its_turn_is_over(
    client: Client, agents: list[Agent]
) -> None:
    """
    A call over thousands of agents holds the control shells of those alone that are worked on.
    """
    closed: list[str] = []

    class Shells:
        def __init__(self, name: str) -> None:
            self._name = name

        def close(self) -> None:
            closed.append(self._name)

    def keep(agent: Agent) -> list[str]:
        agent._http.held["shells", agent.id] = Shells(agent.label)
        return closed.copy()

    results = client.each(agents, keep, max_workers=1).results
    names = [agent.label for agent in agents]
    assert list(results.values()) == [names[:count] for count in range(len(names))]
    assert closed == names


def test_results_cannot_be_pickled_too_early(client: Client, agents: list[Agent]) -> None:
    """
    The error says to wait; afterwards they can be.
    """
    gate = threading.Event()
    results = client.each(agents, lambda agent: gate.wait(60))
    with pytest.raises(TypeError, match=r"before all agents are done: wait\(\)"):
        pickle.dumps(results)
    gate.set()
    results.wait()
    assert dict(pickle.loads(pickle.dumps(results)).results) == dict.fromkeys(agents, True)


def test_the_traceback_of_an_error_begins_in_the_function(
    client: Client, agents: list[Agent]
) -> None:
    """
    Who reads it sees the own code first.
    """

    def fail(agent: Agent) -> None:
        raise ZeroDivisionError

    [error] = client.each(agents[:1], fail).failures.values()
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_code.co_name == "fail"


def test_ten_thousand_agents_need_little_memory(client: Client, agents: list[Agent]) -> None:
    """
    What a call keeps of an agent are some hundred bytes, and no thread.
    """
    import tracemalloc

    known = [agent_of(client, number) for number in range(1, 10_001)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        results = client.each(known, lambda agent: agent.id.int, max_workers=4)
        assert sum(result for _, result in results) == 50_005_000
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(known) < 2_000


def test_a_result_is_a_pair_with_names(client: Client, agents: list[Agent]) -> None:
    """
    It shows itself in one line, and as a card.
    """
    [found] = client.each(agents[:1], lambda agent: "x" * 1000 + "\x1b[31m")
    assert found == AgentResult(agents[0], "x" * 1000 + "\x1b[31m")
    assert repr(found).startswith("AgentResult(agent=<Agent ")
    assert len(repr(found)) < 400
    assert "\x1b" not in repr(found) + found._repr_html_()


def test_a_thread_that_was_not_started_is_not_waited_for() -> None:
    """
    Ctrl-C may come between two starts.
    """
    work = Work([])
    never = Threads(work, print, 3)
    never.join()
    assert sys.getrefcount(never) > 0


def test_a_pool_of_the_user_stays_the_users(client: Client, agents: list[Agent]) -> None:
    """
    Its threads call the function with the agents, and it can be used afterwards.
    """
    with ThreadPoolExecutor(2, "mine") as pool:
        names = client.each(
            agents, lambda agent: threading.current_thread().name, executor=pool
        ).results
        assert {name.rpartition("_")[0] for name in names.values()} == {"mine"}
        assert pool.submit(int, "5").result() == 5
