"""
What became of each agent of a call, and waiting for it.

Nothing here takes a lock: an outcome is stored by one call of a dict, an end by another one. So any
thread and any signal handler may call any method at any moment, and a fork finds nothing half done.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import attrs

from coder_agents.agent import Agent
from coder_agents.errors import BatchCanceledError, BatchTimeoutError, CoderError, FunctionExitError
from coder_agents.render import escape_controls
from coder_agents.render.line import counted
from coder_agents.transport import fork

_MAX_TEXT = 1000  # characters of an error
_TICK = 1.0  # seconds: on Windows, Ctrl-C is noticed only between two waits


@attrs.frozen(eq=False)
class Outcome:
    """
    What became of an agent.

    Attributes:
        agent: the agent.
        result: what the function returned.
        error: what the function raised; None where it returned.
    """

    agent: Agent
    result: Any = None
    error: Exception | None = None


End = Callable[[str, bool], CoderError]
"""
Returns the error of an agent without an outcome, of its name and of whether the function was called
with it.
"""


class Work:
    """
    The agents of a call: which of them are still to come, and what became of the others.

    Attributes:
        agents: the agents.
        on_end: called once by `end`.
        limit: returns text that says that the deployment limits requests now; empty where it does not.
    """

    def __init__(self, agents: Sequence[Agent]) -> None:
        self.agents = tuple(agents)
        self.on_end: Callable[[], object] = _nothing
        self.limit: Callable[[], str] = str
        self.position_of = {agent.id: index for index, agent in enumerate(self.agents)}
        self._waiting = deque((index, 0.0) for index in range(len(self.agents)))
        self._begun: set[int] = set()
        self._outcomes: dict[int, Outcome] = {}
        self._ends: dict[int, End] = {}
        self._bells: dict[int, queue.SimpleQueue[Any]] = {}
        fork.register(self)

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """
        Return work that is done, with these *outcomes*.
        """
        work = cls([each.agent for each in outcomes])
        work._outcomes.update(enumerate(outcomes))
        return work

    @property
    def is_done(self) -> bool:
        """
        Whether each agent has an outcome.
        """
        return bool(self._ends) or len(self._outcomes) == len(self.agents)

    @property
    def is_over(self) -> bool:
        """
        Whether the work was ended before all agents had an outcome.
        """
        return bool(self._ends)

    def take(self) -> int | None:
        """
        Return the position of an agent whose turn it is; None where no agent is left.

        An agent that was put off is waited for.
        """
        try:
            index, due = self._waiting.popleft()
        except IndexError:
            return None
        if due:
            self.wait(lambda: self.is_over, due - time.monotonic())
        if self.is_over:
            return None
        self._begun.add(index)
        return index

    def put_off(self, index: int, seconds: float) -> None:
        """
        Let an agent's turn come again after *seconds*.
        """
        self._waiting.append((index, time.monotonic() + seconds))

    def succeed(self, index: int, result: Any) -> None:
        """
        Store the result of an agent.
        """
        self._store(index, Outcome(self.agents[index], result))

    def fail(self, index: int, error: BaseException) -> None:
        """
        Store the error of an agent.
        """
        agent = self.agents[index]
        if not isinstance(error, Exception):
            cause, error = (
                error,
                FunctionExitError(
                    f"{agent.label or agent.id}: the function raised {_described(error)}"
                ),
            )
            error.__cause__ = cause
        self._store(index, Outcome(agent, error=error))

    def _store(self, index: int, outcome: Outcome) -> None:
        # What comes after the end may be half a result, because its connection was woken.
        if not self._ends:
            self._outcomes.setdefault(index, outcome)
        self.ring()

    def end(self, end: End) -> None:
        """
        Let *end* return the errors of all agents without an outcome, now.
        """
        if self.is_done:
            return
        if self._ends.setdefault(0, end) is end:
            self._waiting.clear()
            self.on_end()
        self.ring()

    def cancel(self) -> None:
        """
        End the work.
        """
        self.end(_canceled)

    def wake(self) -> None:
        """
        End the work together with another one.
        """
        self.cancel()

    def time_out(self, timeout: float) -> None:
        """
        End the work because its *timeout*, in seconds, is over.
        """
        self.end(_timed_out(timeout, self.limit()))

    def after_fork_in_child(self) -> None:
        """
        End the work in the child process, which has none of its threads.
        """
        if not self.is_done:
            self._ends[0] = _forked
        self._bells.clear()

    def arrived(self, seen: int = 0) -> list[Outcome]:
        """
        Return the outcomes after the first *seen*, in the order in which they arrived.
        """
        if self._ends:
            self._complete()
        while True:
            count = len(self._outcomes)
            # From the last one on, because the way from the first one grows.
            newest = itertools.islice(reversed(self._outcomes.values()), count - seen)
            with contextlib.suppress(RuntimeError):  # another one arrives in the midst of that
                found = list(newest)
                if len(self._outcomes) == count:
                    return found[::-1]

    @property
    def count(self) -> int:
        """
        How many agents have an outcome.
        """
        return len(self.agents) if self._ends else len(self._outcomes)

    def has_more_than(self, count: int) -> bool:
        """
        Whether more than *count* agents have an outcome.
        """
        return self.count > count

    def outcome(self, index: int) -> Outcome | None:
        """
        Return the outcome of an agent; None while it has none.
        """
        if self._ends:
            self._complete()
        return self._outcomes.get(index)

    def _complete(self) -> None:
        for index, agent in enumerate(self.agents):
            if index not in self._outcomes:
                error = self._ends[0](agent.label or str(agent.id), index in self._begun)
                self._outcomes.setdefault(index, Outcome(agent, error=error))

    def outcomes(self) -> Iterator[Outcome]:
        """
        Yield the outcomes so far, in the order of the agents.
        """
        for index in range(len(self.agents)):
            outcome = self.outcome(index)
            if outcome is not None:
                yield outcome

    def ring(self) -> None:
        """
        Put None into each of the bells.
        """
        for bell in list(self._bells.values()):
            bell.put(None)

    def add_bell(self, bell: queue.SimpleQueue[Any]) -> None:
        """
        Put None into *bell* whenever there is an outcome, and at the end.
        """
        self._bells[id(bell)] = bell

    def remove_bell(self, bell: queue.SimpleQueue[Any]) -> None:
        """
        Leave *bell* alone.
        """
        self._bells.pop(id(bell), None)

    def wait(self, is_reached: Callable[[], bool], timeout: float = math.inf) -> bool:
        """
        Wait until *is_reached* after an outcome or at the end, at most *timeout* seconds.

        Returns whether it is reached.
        """
        until = time.monotonic() + timeout
        bell: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            self.add_bell(bell)
            while not is_reached():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                try:
                    bell.get(timeout=min(left, _TICK))
                except queue.Empty:
                    continue
            return True
        finally:
            self.remove_bell(bell)


def _nothing() -> None:
    pass


def _described(error: BaseException) -> str:
    text = escape_controls(str(error)[:_MAX_TEXT])
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _canceled(name: str, begun: bool) -> CoderError:
    where = "while the function ran" if begun else "before the agent's turn"
    return BatchCanceledError(f"{name}: the call was canceled {where}", begun=begun)


def _timed_out(timeout: float, limit: str) -> End:
    def end(name: str, begun: bool) -> CoderError:
        where = "while the function ran" if begun else "before the agent's turn"
        advice = "give the call a longer timeout"
        if limit:
            advice = f"{limit}; {advice}"
        elif not begun:
            advice += " or more max_workers"
        seconds, were = counted(timeout, "second"), "was" if timeout == 1 else "were"
        text = f"{name}: the {seconds} of the call {were} over {where}: {advice}"
        return BatchTimeoutError(text, timeout=timeout, begun=begun)

    return end


def _forked(name: str, begun: bool) -> CoderError:
    text = f"{name}: the call belongs to the process that this process was forked from"
    return BatchCanceledError(text, begun=begun)
