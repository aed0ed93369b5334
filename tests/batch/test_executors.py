"""
Executors of the user: threads, processes, a cluster, and those that do not do what they should.
"""

from __future__ import annotations

import concurrent.futures
import functools
import multiprocessing
import os
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import remote_work
from driving import reached

from coder_agents import (
    Agent,
    BatchCanceledError,
    BatchTimeoutError,
    Client,
    ConfigError,
    FunctionExitError,
    TravelError,
    UnsupportedCallError,
)
from coder_agents.batch import each, travelling
from coder_agents.testing import Deployment


@pytest.fixture(autouse=True)
def environment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> pytest.MonkeyPatch:
    """
    The environment names the deployment, and another token of its user.
    """
    for name in os.environ:
        if name.startswith("CODER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CODER_URL", deployment.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
    monkeypatch.setenv("CODER_CONFIG_DIR", str(tmp_path))
    return monkeypatch


class Inline(Executor):
    """
    An executor that calls at once, in the thread that submits, what has travelled to it.

    Attributes:
        sent: what has travelled.
    """

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """
        Return a future that is done.
        """
        content = pickle.dumps((fn, args, kwargs))
        self.sent.append(content)
        function, arguments, options = pickle.loads(content)
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except BaseException as error:
            future.set_exception(error)
        return future


class Held(Executor):
    """
    An executor that calls nothing by itself.

    Attributes:
        futures: what was submitted.
    """

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """
        Return a future that somebody else completes.
        """
        future: Future[Any] = Future()
        self.futures.append(future)
        return future


def test_without_send_token_no_token_travels(
    client: Client, agents: list[Agent], deployment: Deployment
) -> None:
    """
    What is pickled does not contain it, and the client there has that of the environment.
    """
    executor = Inline()
    results = client.each(agents, remote_work.token_of, executor=executor)
    assert set(results.results.values()) == {deployment.token}
    assert len(executor.sent) == 6
    assert not [each for each in executor.sent if deployment.token.encode() in each]


def test_with_send_token_the_environment_is_not_needed(
    client: Client, agents: list[Agent], environment: pytest.MonkeyPatch
) -> None:
    """
    The agents bring the settings of their client.
    """
    environment.delenv("CODER_URL")
    environment.delenv("CODER_SESSION_TOKEN")
    executor = Inline()
    results = client.each(agents, remote_work.name_and_process, executor=executor, send_token=True)
    assert set(results.results.values()) == {("main", os.getpid())}
    assert all(client._http.settings.token.encode() in each for each in executor.sent)
    failures = client.each(agents, remote_work.token_of, executor=executor).failures
    assert {type(error) for error in failures.values()} == {ConfigError}


def test_a_session_of_the_user_cannot_be_sent(client: Client, agents: list[Agent]) -> None:
    """
    The error comes before anything is submitted.
    """
    import requests

    with requests.Session() as session:
        own = Client(client._http.settings.url, "token", session=session)
        known = [own._agent(agent.data, agent.workspace) for agent in agents]
        executor = Inline()
        with pytest.raises(ConfigError, match="session= cannot be sent"):
            own.each(known, remote_work.token_of, executor=executor, send_token=True)
        assert executor.sent == []
        with pytest.raises(ConfigError, match="session= cannot be sent"):
            travelling(known, send_token=True)


def test_agents_come_back_as_the_callers(client: Client, agents: list[Agent]) -> None:
    """
    An agent in a result is the one that was given, with the data that were read there; another agent
    gets the same client. No token travels back.
    """
    before = [agent.data for agent in agents]
    results = client.each(agents, remote_work.itself, executor=Inline())
    for agent, result in results:
        assert result["agents"][0] is agent
        assert agent._http is client._http
    assert [agent.data is old for agent, old in zip(agents, before, strict=True)] == [False] * 6
    other = functools.partial(_other, agents[5])
    found = client.each(agents[:1], other, executor=Inline())[agents[0]]
    assert found == agents[5]
    assert found is not agents[5]
    assert found._http is client._http


def _other(other: Agent, agent: Agent) -> Agent:
    return other


def test_what_cannot_travel_back_is_a_failure_of_its_agent(
    client: Client, agents: list[Agent]
) -> None:
    """
    A result, and an error of each kind; the others arrive.
    """
    results = client.each(agents, remote_work.unsent, executor=Inline())
    assert len(results.results) == 5
    [error] = results.failures.values()
    assert type(error) is TravelError
    assert "an object of the class lock cannot come back from another process" in str(error)
    assert "let the function return plain values" in str(error)


def test_errors_of_the_function_come_back(client: Client, agents: list[Agent]) -> None:
    """
    An error is of its class where it can be pickled, and has the traceback of the other process; else
    the text is there. What would end a process is a failure of its agent.
    """
    results = client.each(agents, remote_work.fail_with, executor=Inline())
    assert dict(results.results) == {agents[5]: "w5"}
    errors = list(results.failures.values())
    kinds = [ZeroDivisionError, TravelError, TravelError, FunctionExitError]
    assert [type(error) for error in errors[:4]] == kinds
    assert str(errors[0]) == "mine"
    shown = "".join(traceback.format_exception(errors[0]))
    assert "remote_work.py" in shown
    assert 'raise ZeroDivisionError("mine")' in shown
    assert str(errors[1]) == "OddError: odd\\x1b[2J (this error itself cannot be pickled)"
    assert str(errors[2]) == "Unsent: a lock (this error itself cannot be pickled)"
    assert type(errors[3].__cause__) is SystemExit
    assert type(errors[4]) is UnsupportedCallError
    assert client._http.settings.token not in shown


def test_an_executor_of_threads_gets_the_agents_themselves(
    client: Client, agents: list[Agent]
) -> None:
    """
    What is read there is seen here, errors are kept apart, and Ctrl-C could close the connections.
    """

    def work(agent: Agent) -> str:
        agent.refresh()
        if agent == agents[2]:
            raise ZeroDivisionError
        return threading.current_thread().name

    before = [agent.data for agent in agents]
    with ThreadPoolExecutor(2, "mine") as pool:
        results = client.each(agents, work, executor=pool)
        assert {name.split("_")[0] for name in results.results.values()} == {"mine"}
        assert [type(error) for error in results.failures.values()] == [ZeroDivisionError]
    assert not [agent for agent, data in zip(agents, before, strict=True) if agent.data is data]


class Apart(ThreadPoolExecutor):
    """
    A pool of threads with an interpreter each, such as Python has from 3.14 on: what it gets is pickled.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """
        Submit a copy of the call.
        """
        function, arguments = pickle.loads(pickle.dumps((fn, args)))
        return super().submit(function, *arguments, **kwargs)


def test_an_executor_of_interpreters_gets_copies(
    client: Client, agents: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is a pool of threads by its class, but its threads share no objects.
    """
    kind = getattr(concurrent.futures, "InterpreterPoolExecutor", Apart)
    assert kind is Apart or each._APART is kind
    monkeypatch.setattr(each, "_APART", Apart)
    with Apart(2) as pool:
        results = client.each(agents, remote_work.itself, executor=pool)
        found = results.raise_for_failures().results
    assert [found[agent]["agents"] for agent in agents] == [[agent] for agent in agents]


def test_few_calls_are_submitted_at_the_same_time(client: Client, agents: list[Agent]) -> None:
    """
    An executor gets at most *max_workers* calls that are not done; the next one follows a call that
    is, in whatever order.
    """
    executor = Held()
    results = client.each(agents, remote_work.token_of, executor=executor, max_workers=2)
    for done in (1, 0, 2, 4, 3, 5):
        reached(functools.partial(_has_more, executor.futures, done))
        assert len([each for each in executor.futures if not each.done()]) <= 2
        executor.futures[done].set_exception(ZeroDivisionError())
    assert len(results.failures) == 6


def _has_more(items: list[Any], count: int) -> bool:
    return len(items) > count


def test_an_executor_that_was_shut_down_is_a_failure_of_each_agent(
    client: Client, agents: list[Agent]
) -> None:
    """
    The call itself does not fail, and nothing hangs.
    """
    with ThreadPoolExecutor(1) as pool:
        pass
    failures = client.each(agents, str, executor=pool).failures
    assert len(failures) == 6
    assert {str(error) for error in failures.values()} == {
        "cannot schedule new futures after shutdown"
    }


def test_futures_that_somebody_cancels_are_failures(client: Client, agents: list[Agent]) -> None:
    """
    An executor may be shut down while calls wait in its queue.
    """
    executor = Held()
    results = client.each(agents, remote_work.token_of, executor=executor)
    reached(lambda: len(executor.futures) == 6)
    for future in executor.futures:
        future.cancel()
        future.set_running_or_notify_cancel()
    kinds = {type(error) for error in results.failures.values()}
    assert kinds == {concurrent.futures.CancelledError}


@pytest.mark.parametrize("ended_by", ["cancel", "timeout"])
def test_an_end_cancels_what_an_executor_has_not_begun(
    client: Client, agents: list[Agent], ended_by: str
) -> None:
    """
    The futures are canceled, nothing else is submitted, and the thread ends.
    """
    executor = Held()
    timeout = 0.2 if ended_by == "timeout" else None
    results = client.each(
        agents, remote_work.token_of, executor=executor, max_workers=2, timeout=timeout
    )
    if ended_by == "cancel":
        reached(lambda: len(executor.futures) == 2)
        results.cancel()
    reached(lambda: executor.futures and all(each.cancelled() for each in executor.futures))
    kind = BatchCanceledError if ended_by == "cancel" else BatchTimeoutError
    assert [type(error) for error in results.failures.values()] == [kind] * 6
    assert len(executor.futures) == 2


def test_a_function_that_cannot_be_sent_to_processes_is_refused(
    client: Client, agents: list[Agent]
) -> None:
    """
    The error says how to write it, and no process is started.
    """
    with (
        ProcessPoolExecutor(1) as pool,
        pytest.raises(TypeError, match="define it at the top of a module"),
    ):
        client.each(agents, lambda agent: agent, executor=pool)


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    """
    A pool of one process, which imports everything anew.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_pool_of_processes_does_the_work(
    client: Client, agents: list[Agent], processes: ProcessPoolExecutor
) -> None:
    """
    The function runs in another process, results and errors come back, and a process that dies is a
    failure of the agents that it had and of those that come after it.
    """
    results = client.each(agents, remote_work.name_and_process, executor=processes)
    [(name, process)] = set(results.results.values())
    assert (name, process == os.getpid()) == ("main", False)
    failures = client.each(agents, remote_work.fail_with, executor=processes).failures
    assert len(failures) == 5
    assert "remote_work.py" in "".join(traceback.format_exception(failures[agents[0]]))
    broken = client.each(agents, remote_work.die, executor=processes, max_workers=1)
    assert dict(broken.results) == {agents[0]: "w0.main"}
    assert {type(error) for error in broken.failures.values()} == {BrokenProcessPool}
    assert len(broken.failures) == 5
