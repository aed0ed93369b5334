"""
The results of a call over several agents.
"""

from __future__ import annotations

import contextlib
import functools
import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

from coder_agents.agent import Agent
from coder_agents.batch.shown import html_of, line_of
from coder_agents.batch.work import Outcome, Work
from coder_agents.config import seconds_or_none
from coder_agents.progress import counting
from coder_agents.render.line import counted, render_line, render_value
from coder_agents.representation.tabular import Tabular
from coder_agents.streams.by_agent import ByAgent

R = TypeVar("R")

Progress = Callable[[int, int], object] | Literal[False] | None
"""
A function that gets how many agents are done, and how many there are; False shows nothing, and None shows
a bar where a person is watching.
"""


class AgentResult(NamedTuple, Generic[R]):
    """
    An agent, and what a call over several agents returned for it.

    Attributes:
        agent: the agent.
        result: the result.
    """

    agent: Agent
    result: R

    def __repr__(self) -> str:
        return render_line(type(self).__name__, self._asdict().items())

    def _repr_html_(self) -> str:
        from coder_agents.render.html import render_html_card

        return render_html_card(self.agent.label, [("Result", render_value(self.result))])


class Runner(Protocol):
    """
    The threads that do the work of a call.
    """

    def start(self) -> None:
        """
        Start them.
        """

    def join(self) -> None:
        """
        Wait until they have ended.
        """


class Results(Tabular, Generic[R]):
    """
    The results of a call over several agents, as they arrive.

    ``for agent, result in results`` yields each result when it arrives, those that have arrived first; it
    can be repeated. Agents that fail are not among them: their errors are `failures`. ``len(results)`` is
    the number of agents, and ``results[agent]`` waits for the result of one agent, or raises its error.

    The work has begun, and continues whether or not somebody waits. Leaving a ``with results:`` block
    waits for all agents; leaving it by an exception cancels the work. Ctrl-C during a wait or an iteration
    cancels the work, too: nothing else is requested, the connections are closed, and the threads end. A
    function that waits for something else than the deployment is waited for, until a second Ctrl-C.

    A data frame, a table of Arrow and a file of the results wait for all agents, and have the rows of
    `records`.
    """

    def __init__(
        self,
        work: Work,
        runner: Runner | None = None,
        *,
        progress: Progress = False,
        of: type | None = None,
    ) -> None:
        self._work = work
        self._runner = runner
        self._progress = progress
        self._of = of

    @classmethod
    def of(
        cls, outcomes: Iterable[tuple[Agent, R | Exception]], *, kind: type | None = None
    ) -> Self:
        """
        Return the results of work that is done: of each agent its result, or its error.

        A test of a program that reads results builds them so. *kind* is the class of what the results
        are or list, so that a data frame of no results has its columns.
        """
        done = [
            Outcome(agent, error=outcome)
            if isinstance(outcome, Exception)
            else Outcome(agent, outcome)
            for agent, outcome in outcomes
        ]
        return cls(Work.of(done), of=kind)

    def __iter__(self) -> Iterator[AgentResult[R]]:
        seen, show = 0, self._shows()
        while True:
            for outcome in self._work.arrived(seen):
                seen += 1
                if outcome.error is None:
                    yield AgentResult(outcome.agent, outcome.result)
            if seen == len(self):
                self._wait(self._is_done, show=show)
                return
            self._wait(functools.partial(self._work.has_more_than, seen), show=show)

    def __len__(self) -> int:
        return len(self._work.agents)

    def __contains__(self, agent: object) -> bool:
        return getattr(agent, "id", agent) in self._work.position_of

    def __getitem__(self, agent: Agent | uuid.UUID) -> R:
        index = self._work.position_of[agent.id if isinstance(agent, Agent) else agent]
        self._wait(lambda: self._work.outcome(index) is not None)
        outcome = self._work.outcome(index)
        assert outcome is not None
        if outcome.error is not None:
            raise outcome.error
        result: R = outcome.result
        return result

    @property
    def done(self) -> bool:
        """
        Whether each agent has a result or an error.
        """
        return self._work.is_done

    @property
    def results(self) -> ByAgent[Agent, R]:
        """
        The results by agent, in the order of the agents. Waits until all agents are done.
        """
        self.wait()
        return ByAgent(
            (each.agent, each.result) for each in self._work.outcomes() if each.error is None
        )

    @property
    def failures(self) -> ByAgent[Agent, Exception]:
        """
        The errors by agent, in the order of the agents. Waits until all agents are done.
        """
        self.wait()
        return ByAgent(
            (each.agent, each.error) for each in self._work.outcomes() if each.error is not None
        )

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until all agents are done, at most *timeout* seconds, and return whether they are.

        The work continues after *timeout*.
        """
        limit = seconds_or_none("timeout", timeout)
        with self._shown() as show:
            return self._wait(self._is_done, limit, show)

    def _is_done(self) -> bool:
        return self._work.is_done

    def raise_for_failures(self) -> Self:
        """
        Wait until all agents are done, and return these results where none has failed.

        Raises *ExceptionGroup* of the errors, each with a note that names its agent.
        """
        failures = self.failures
        if not failures:
            return self
        for agent, error in failures.items():
            note = f"Agent: {agent.label} {agent.id}".replace("  ", " ")
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        raise ExceptionGroup(
            f"{len(failures):,} of {counted(len(self), 'agent')} failed", list(failures.values())
        )

    def cancel(self) -> None:
        """
        End the work, at once and from any thread: agents without a result get a *BatchCanceledError*.

        The function is called with no other agent, and connections to the deployment are closed. Calls
        that run in other processes run to their ends.
        """
        self._work.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.wait()
        else:
            self._stop()

    def _stop(self) -> None:
        self._work.cancel()
        if self._runner is not None:
            self._runner.join()

    def _wait(
        self,
        is_reached: Callable[[], bool],
        timeout: float | None = None,
        show: Callable[[int], object] | None = None,
    ) -> bool:
        def reached() -> bool:
            if show is not None:
                show(self._work.count)
            return is_reached()

        try:
            is_there = self._work.wait(reached, math.inf if timeout is None else timeout)
            if self._work.is_done and not self._work.is_over and self._runner is not None:
                self._runner.join()  # which has nothing else to do
        except BaseException:
            self._stop()
            raise
        return is_there

    @contextlib.contextmanager
    def _shown(self) -> Iterator[Callable[[int], object] | None]:
        """
        Show how many agents are done, in the body of the ``with`` statement, which calls the function that
        it gets with this number.
        """
        if self._progress is not None or self.done:
            yield self._shows()
            return
        with counting(counted(len(self), "agent"), len(self)) as advance:
            yield _on_change(lambda count, before: advance(count - before))

    def _shows(self) -> Callable[[int], object] | None:
        progress, total = self._progress, len(self)
        return _on_change(lambda count, _: progress(count, total)) if callable(progress) else None

    def records(self) -> Iterator[dict[str, Any]]:
        """
        Wait until all agents are done, and return a generator of rows; see `coder_agents.export.records`.

        Where the results are what the client returns, or lists of it, these are their rows, with the
        agent's name in each. Other results have a row for each agent, with the columns ``agent``,
        ``result`` and ``error``.
        """
        from coder_agents.export import records

        self.wait()
        return records(self)

    def _outcomes(self) -> list[Outcome]:
        return list(self._work.outcomes())

    def __reduce__(self) -> tuple[Callable[..., Results[R]], tuple[object, ...]]:
        if not self.done:
            raise TypeError(
                "results cannot be pickled or copied before all agents are done: wait()"
            )
        outcomes = [(each.agent, each.result, each.error) for each in self._outcomes()]
        return _restored, (outcomes, self._of)

    def __repr__(self) -> str:
        return line_of(self._work)

    def _repr_html_(self) -> str:
        return html_of(self._work)


def _on_change(show: Callable[[int, int], object]) -> Callable[[int], None]:
    """
    Return a function that calls *show* with a count and the count before, where they differ.
    """
    before = 0

    def changed(count: int) -> None:
        nonlocal before
        if count != before:
            last, before = before, count
            show(count, last)

    return changed


def _restored(outcomes: list[tuple[Agent, Any, Exception | None]], of: type | None) -> Results[Any]:
    return Results(Work.of([Outcome(*each) for each in outcomes]), of=of)
