"""
Calls a function with each agent, in this process.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable
from typing import Any

import attrs

from coder_agents.agent import Agent
from coder_agents.batch.work import Work
from coder_agents.transport import HTTP, Pace, RepeatingHTTP

NAME = "coder-agents-each"
"""
The name of the threads, which a number follows.
"""


@attrs.frozen
class Later:
    """
    What a function returns for an agent whose turn has to come again.

    Attributes:
        seconds: the time until then.
    """

    seconds: float


class Calls:
    """
    Calls *function* with agents whose connections all end when they are woken, and whose requests
    keep to *pace*.

    Any number of threads may call at the same time.
    """

    def __init__(self, work: Work, function: Callable[[Agent], Any], pace: Pace) -> None:
        self._work = work
        self._function = function
        # The agents of one deployment may have several clients, with a token each.
        self._https: dict[int, RepeatingHTTP] = {}
        for agent in work.agents:
            http = agent._http
            if id(http) not in self._https:
                self._https[id(http)] = RepeatingHTTP.like(http, pace=pace)
        work.on_end = self.wake
        work.limit = lambda: pace.limit

    def call(self, index: int) -> None:
        """
        Call the function with an agent, and store the outcome.
        """
        agent = self._work.agents[index]
        http = self._https[id(agent._http)]
        twin = _with(agent, http)
        before = twin.data
        try:
            result = self._function(twin)
        except BaseException as error:
            self._work.fail(index, _without_frame(error))
        else:
            if isinstance(result, Later):
                self._work.put_off(index, result.seconds)
            else:
                self._work.succeed(index, agent if result is twin else result)
        finally:
            if twin.data is not before:
                agent._data = twin.data
            http.release_agent(agent.id)
        if self._work.is_done:
            self._release()

    def wake(self) -> None:
        """
        End the calls that wait for a deployment.
        """
        for http in self._https.values():
            http.close()

    def _release(self) -> None:
        for http in self._https.values():
            http.release()


def _with(agent: Agent, http: HTTP) -> Agent:
    twin = copy.copy(agent)
    twin._http = http
    return twin


def _without_frame(error: BaseException) -> BaseException:
    # The traceback begins in the function of the user.
    traceback = error.__traceback__
    return error.with_traceback(traceback.tb_next if traceback is not None else None)


class Threads:
    """
    At most *max_workers* threads, each of which calls *call* with the position of one agent after the
    other.

    The interpreter waits at its exit until they have ended.
    """

    def __init__(self, work: Work, call: Callable[[int], object], max_workers: int) -> None:
        self._work = work
        self._call = call
        self._threads = [
            threading.Thread(target=self._run, name=f"{NAME}-{number}", daemon=False)
            for number in range(min(max_workers, len(work.agents)))
        ]

    def start(self) -> None:
        """
        Start the threads. Where only some can be started, these do the work.
        """
        for number, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                if not number:
                    raise
                del self._threads[number:]
                return

    def _run(self) -> None:
        while (index := self._work.take()) is not None:
            self._call(index)

    def join(self) -> None:
        """
        Wait until the threads have ended.
        """
        for thread in self._threads:
            # A thread whose start was interrupted finds nothing to do.
            if thread is not threading.current_thread():
                with contextlib.suppress(RuntimeError):
                    thread.join()
