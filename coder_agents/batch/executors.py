"""
Calls a function with each agent, on an executor of the user.
"""

from __future__ import annotations

import concurrent.futures
import pickle
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from coder_agents.agent import Agent
from coder_agents.batch.remote import Envelope, Parts, RemoteCall, run
from coder_agents.batch.threads import NAME, Calls
from coder_agents.batch.travel import travelling
from coder_agents.batch.work import Work
from coder_agents.render import escape_controls


class InThreads:
    """
    Calls on an executor whose threads are threads of this process.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def submit(self, executor: Executor, index: int) -> Future[Any]:
        """
        Submit the call with an agent to *executor*.
        """
        return executor.submit(self._calls.call, index)

    def receive(self, index: int, future: Future[Any]) -> None:
        """
        Raise the error where a call was not begun; the call itself has stored its outcome.
        """
        future.result()


class InProcesses:
    """
    Calls on an executor whose workers may be other processes, on other machines.

    Raises *TypeError* for a function that cannot be sent to a pool of processes.
    """

    def __init__(
        self,
        work: Work,
        function: Callable[[Agent], Any],
        executor: Executor,
        *,
        send_token: bool,
        rate: float,
    ) -> None:
        if isinstance(executor, concurrent.futures.ProcessPoolExecutor):
            _check_pickled(function)
        self._work = work
        self._calls = [
            RemoteCall(function, agent)
            for agent in travelling(work.agents, send_token=send_token, rate=rate)
        ]

    def submit(self, executor: Executor, index: int) -> Future[Envelope]:
        """
        Submit the call with an agent to *executor*.
        """
        return executor.submit(run, self._calls[index])

    def receive(self, index: int, future: Future[Envelope]) -> None:
        """
        Store what came of the call with an agent.

        Raises what the function has raised, or the executor.
        """
        agent = self._work.agents[index]

        def arrive(parts: Parts) -> Agent:
            data, workspace = parts
            if data.id == agent.id:
                agent._data = data
                return agent
            return agent._successor(workspace, data)

        result = self._calls[index].opened(future.result(), arrive)
        self._work.succeed(index, result)


class OnExecutor:
    """
    One thread, which submits calls to an executor, at most *max_workers* at the same time.

    It submits nothing from the callback of a future: an executor may hold its own lock there, or call
    at once.
    """

    def __init__(
        self,
        work: Work,
        executor: Executor,
        calls: InThreads | InProcesses,
        max_workers: int,
    ) -> None:
        self._work = work
        self._executor = executor
        self._calls = calls
        self._max_workers = max_workers
        self._flying: dict[Future[Any], int] = {}
        self._done: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"{NAME}-executor")

    def start(self) -> None:
        """
        Start the thread.
        """
        if self._work.agents:
            self._thread.start()

    def join(self) -> None:
        """
        Wait until the thread has ended. Calls in other processes may still run after a cancellation.
        """
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        self._work.add_bell(self._done)
        try:
            while not self._work.is_over:
                self._submit()
                if not self._flying:
                    return
                future = self._done.get()
                if future is not None:
                    self._receive(future)
        finally:
            self._work.remove_bell(self._done)
            for future in self._flying:
                future.cancel()

    def _submit(self) -> None:
        while len(self._flying) < self._max_workers:
            index = self._work.take()
            if index is None:
                return
            try:
                future = self._calls.submit(self._executor, index)
            except Exception as error:  # it was shut down, or its workers have died
                self._work.fail(index, error)
                continue
            self._flying[future] = index
            future.add_done_callback(self._done.put)

    def _receive(self, future: Future[Any]) -> None:
        index = self._flying.pop(future)
        try:
            self._calls.receive(index, future)
        except BaseException as error:
            self._work.fail(index, error)


def _check_pickled(function: Callable[[Agent], Any]) -> None:
    try:
        pickle.dumps(function)
    except Exception as error:  # whatever the classes of its parts raise
        shown = escape_controls(str(error)[:200])
        raise TypeError(
            f"the function cannot be sent to another process ({shown}): define it at the top of a"
            " module, and pass it by its name"
        ) from None
