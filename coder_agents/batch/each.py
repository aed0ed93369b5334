"""
Begins a call over several agents.
"""

from __future__ import annotations

import concurrent.futures
import inspect
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

import attrs

from coder_agents.agent import Agent
from coder_agents.batch.agents import distinct, several
from coder_agents.batch.executors import InProcesses, InThreads, OnExecutor
from coder_agents.batch.results import Progress, Results, Runner
from coder_agents.batch.threads import NAME, Calls, Threads
from coder_agents.batch.work import Work
from coder_agents.config import seconds_or_none, whole_number
from coder_agents.transport import HTTP, Pace

R = TypeVar("R")

# From Python 3.14 on: its threads have an interpreter each, and share no object.
_APART = getattr(concurrent.futures, "InterpreterPoolExecutor", ())

MAX_WORKERS = 16
"""
How many agents are worked on at the same time, unless the caller says otherwise.
"""


@attrs.frozen(kw_only=True)
class EachOptions:
    """
    How a function is called with several agents; checked.

    The work ends *grace* seconds after *timeout*: a function that keeps to *timeout* by itself has
    the better error, and needs a moment for it.

    Raises *TypeError* or *ValueError*.
    """

    max_workers: int = MAX_WORKERS
    executor: Executor | None = None
    timeout: float | None = None
    grace: float = 0.0
    progress: Progress = None
    send_token: bool = False
    pace: Pace = attrs.field(factory=Pace)

    def __attrs_post_init__(self) -> None:
        whole_number("max_workers", self.max_workers, least=1)
        seconds_or_none("timeout", self.timeout)
        _check_executor(self.executor)
        _check_progress(self.progress)


def _check_executor(executor: Any) -> None:
    if executor is None or isinstance(executor, Executor):
        return
    more = "; pass client.get_executor()" if hasattr(executor, "get_executor") else ""
    raise TypeError(
        "executor must be a concurrent.futures.Executor or None, not"
        f" {type(executor).__name__}{more}"
    )


def _check_progress(progress: Any) -> None:
    if progress is not None and progress is not False and not callable(progress):
        raise TypeError(
            f"progress must be a function, False or None, not {type(progress).__name__}"
        )


def pace_of(http: HTTP, rate: float | None) -> Pace:
    """
    Return a pace of *rate* requests a second; without a rate the one that all calls of a client share.

    A refusal slows down both.

    Raises *TypeError* or *ValueError* for an impossible rate.
    """
    shared = http.pace_of_several
    return shared if rate is None else shared.at(rate)


def agents_of(http: HTTP, agents: Iterable[Agent]) -> list[Agent]:
    """
    Return *agents*, each once, which are agents of the deployment of *http*.

    Raises *TypeError* or *ValueError* where they are not, *RuntimeError* where a client is closed.
    """
    http.check_open()
    listed = several(agents)
    for agent in listed:
        if agent._http.settings.url != http.settings.url:
            raise ValueError(f"agent {agent.label} {agent.id} belongs to another deployment")
        agent._http.check_open()
    return distinct(listed)


def begin(agents: list[Agent], function: Callable[[Agent], R], options: EachOptions) -> Results[R]:
    """
    Begin to call *function* with each of *agents*; see `Client.each`.
    """
    results, start = _prepared(agents, function, options)
    try:
        start()
    except BaseException:
        results._stop()
        raise
    return results


def complete(
    agents: list[Agent],
    function: Callable[[Agent], R],
    options: EachOptions,
    *,
    of: type,
) -> Results[R]:
    """
    Call *function* with each of *agents*, and return the results of all.

    *of* is the class of what the results are or list.
    """
    results, start = _prepared(agents, function, options, of=of)
    try:
        start()
        results.wait()
    except BaseException:  # Ctrl-C: nobody gets the results, so nobody else could end the work
        results._stop()
        raise
    return results


def _prepared(
    agents: list[Agent],
    function: Callable[[Agent], R],
    options: EachOptions,
    *,
    of: type | None = None,
) -> tuple[Results[R], Callable[[], None]]:
    """
    Return the results of a call that is not begun, and what begins it.
    """
    _check_function(function)
    work = Work(agents)
    runner: Runner = _runner(work, function, options)
    if options.timeout is not None:
        runner = _Limited(runner, work, options.timeout, grace=options.grace)
    results: Results[R] = Results(work, runner, progress=options.progress, of=of)
    return results, runner.start


def _check_function(function: Any) -> None:
    if not callable(function):
        raise TypeError(f"function must be a function, not {type(function).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            "function must not be asynchronous, because nothing would await it: define it with def"
        )
    if inspect.isgeneratorfunction(function):
        raise TypeError(
            "function must not be a generator, because nothing would run it: return a list of what"
            " it yields"
        )


def _runner(
    work: Work, function: Callable[[Agent], Any], options: EachOptions
) -> Threads | OnExecutor:
    executor = options.executor
    if executor is None:
        return Threads(work, Calls(work, function, options.pace).call, options.max_workers)
    calls: InThreads | InProcesses
    if isinstance(executor, ThreadPoolExecutor) and not isinstance(executor, _APART):
        calls = InThreads(Calls(work, function, options.pace))
    else:
        calls = InProcesses(
            work, function, executor, send_token=options.send_token, rate=options.pace.rate
        )
    return OnExecutor(work, executor, calls, options.max_workers)


class _Limited:
    """
    Threads that end *grace* seconds after the *timeout* of their work, in seconds, is over.
    """

    def __init__(self, runner: Runner, work: Work, timeout: float, *, grace: float) -> None:
        self._runner = runner
        self._work = work
        self._timeout = timeout
        self._grace = grace
        self._thread = threading.Thread(
            target=self._end_in_time, name=f"{NAME}-timeout", daemon=True
        )

    def start(self) -> None:
        """
        Start the threads, and the time.
        """
        if self._work.agents:
            self._thread.start()
        self._runner.start()

    def _end_in_time(self) -> None:
        if not self._work.wait(lambda: self._work.is_done, self._timeout + self._grace):
            self._work.time_out(self._timeout)

    def join(self) -> None:
        """
        Wait until the threads have ended.
        """
        self._runner.join()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
