"""
The recorder of metadata.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
import uuid
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from coder_agents.agent import Agent
from coder_agents.batch import Results
from coder_agents.config import seconds_or_none
from coder_agents.display.extras import from_extra
from coder_agents.display.readings import MetadataReading, Series, series_of
from coder_agents.display.watch import Items, MetadataWatch
from coder_agents.render import render_table
from coder_agents.render.html import render_html_table
from coder_agents.render.line import counted
from coder_agents.representation.tabular import Tabular
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.streams import ByAgent, StreamOptions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_WAIT = 1.0  # seconds: on Windows, Ctrl-C does not wake a thread that waits
_COLUMNS = ("Item", "Unit", "Readings", "Errors", "Gaps", "Min", "Mean", "Max", "Last")


class Recording:
    """
    The readings so far. The threads that record refer to this object alone, not to the recorder.
    """

    def __init__(self, agents: Sequence[Agent]) -> None:
        self.agents = tuple(agents)
        self.readings: list[MetadataReading] = []
        self.began: datetime | None = (
            None  # by the clock of the agent, the first one that sent its list
        )
        self.failures: dict[uuid.UUID, tuple[Agent, Exception]] = {}
        self._seen: set[tuple[uuid.UUID, str, datetime]] = set()
        self._lock = threading.Lock()
        self._failed = threading.Event()

    def add(self, agent: Agent, items: Items) -> None:
        """
        Add the readings among *items* that are new. Called by any thread.
        """
        with self._lock:
            if self.began is None:
                times = (item.result.collected_at for item in items)
                self.began = max((each for each in times if each is not None), default=None)
            for item in items:
                collected_at = item.result.collected_at
                if collected_at is None:
                    continue
                place = agent.id, item.description.key, collected_at
                if place not in self._seen:
                    self._seen.add(place)
                    self.readings.append(
                        MetadataReading(agent=agent, metadata=item, collected_at=collected_at)
                    )

    def fail(self, agent: Agent, error: Exception) -> None:
        """
        Note that the stream of *agent* ended with *error*. Called by any thread.
        """
        with self._lock:
            self.failures[agent.id] = agent, error
            if len(self.failures) == len(self.agents):
                self._failed.set()

    @property
    def failure(self) -> Exception | None:
        """
        The first error where the streams of all agents have failed; else None.
        """
        return next(iter(self.failures.values()))[1] if self._failed.is_set() else None

    def wait(self, seconds: float) -> bool:
        """
        Wait for *seconds*, or until the streams of all agents have failed; return whether they have.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._failed.wait(min(left, _MAX_WAIT)):
                break
        return self._failed.is_set()


class MetadataRecorder(Tabular):
    """
    A recording of metadata, in the background or ended; also a context manager, which ends it.

    `Agent.record_metadata` and `Client.record_metadata` return it. Each reading is recorded once, by
    the time at which the agent collected it. Readings that are errors are kept. ``str(recorder)`` is a
    summary with a line for each item, and so is its table in a notebook. Its rows, in data frames and in
    `coder_agents.export`, are the readings so far, agent by agent.
    """

    def __init__(self, recording: Recording, watch: MetadataWatch) -> None:
        self._recording = recording
        self._watch = watch
        self._is_closed = False

    @property
    def readings(self) -> list[MetadataReading]:
        """
        The readings so far, in the order in which they arrived.
        """
        return list(self._recording.readings)

    @property
    def failures(self) -> ByAgent[Agent, Exception]:
        """
        The errors with which the streams of agents have ended, by agent.
        """
        return ByAgent(list(self._recording.failures.values()))

    def wait(self, seconds: float | None) -> bool:
        """
        Wait for *seconds*, None for no limit; return False, earlier, where the streams of all agents
        have failed.

        Raises *TypeError* or *ValueError* for impossible *seconds*.
        """
        limit = seconds_or_none("seconds", seconds)
        return not self._recording.wait(math.inf if limit is None else limit)

    def close(self) -> None:
        """
        End the recording, its connections and its threads; a second call does nothing.
        """
        self._is_closed = True
        self._watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """
        End the recording.

        Raises the error of the first agent where the streams of all agents have failed.
        """
        self.close()
        failure = self._recording.failure
        if kind is None and failure is not None:
            raise failure

    def __del__(self) -> None:
        if self._is_closed:
            return
        self._watch.stop()
        warnings.warn(
            f"{self!r} was left open. Use `with`, or call close()", ResourceWarning, stacklevel=2
        )

    def __repr__(self) -> str:
        agents = self._recording.agents
        of = agents[0].label if len(agents) == 1 else f"{len(agents)} agents"
        state = "ended" if self._is_closed else "running"
        return f"<MetadataRecorder of {of}, {counted(len(self._recording.readings), 'reading')}, {state}>"

    def __str__(self) -> str:
        return "\n".join([repr(self)[1:-1], *render_table(_COLUMNS, map(_summary, self._series()))])

    def _repr_html_(self) -> str:
        rows = map(_summary, self._series())
        return render_html_table(_COLUMNS, rows, caption=repr(self)[1:-1])

    def _series(self) -> list[Series]:
        return series_of(self.readings)

    def _tabulated(self) -> Results[Items]:
        found: dict[uuid.UUID, tuple[Agent, Items]] = {}
        for reading in self.readings:
            found.setdefault(reading.agent.id, (reading.agent, []))[1].append(reading.metadata)
        return Results.of(found.values(), kind=WorkspaceAgentMetadata)

    def plot(self, keys: Iterable[str] | None = None, *, ax: Axes | None = None) -> Axes:
        """
        Plot the readings that are numbers, a line for each item, and return the axes of matplotlib.

        A line has a gap where readings are missing, by the rule for stale values, and where they are
        errors; errors are marked at the bottom. The legend has the units. Times are in UTC. New axes begin
        with the recording: a value that was collected long before does not stretch them.

        Args:
            keys: the keys of the items to plot; None for all whose readings are numbers.
            ax: the axes to draw on; None for new ones.

        Raises *ImportError* where matplotlib is not installed; *ValueError* for a key without numbers.
        """
        with from_extra("a plot"):
            from coder_agents.display.metadata_plot import plot_series

        return plot_series(self._series(), keys, ax, began=self._recording.began)


def record(
    agents: Sequence[Agent], *, seconds: float | None, options: StreamOptions | None
) -> MetadataRecorder:
    """
    Record the metadata of *agents*; see `Agent.record_metadata`.
    """
    seconds_or_none("seconds", seconds)
    recording = Recording(agents)
    watch = MetadataWatch(on_items=recording.add, on_failure=recording.fail, options=options)
    recorder = MetadataRecorder(recording, watch)
    try:
        # The error of a single agent is raised here, as by the stream itself.
        first = agents[0].watch_metadata(options=options) if len(agents) == 1 else None
        for agent in agents:
            watch.add(agent, first)
        if seconds is None:
            return recorder
        recording.wait(seconds)
    except KeyboardInterrupt:
        recorder.close()
        if seconds is None:
            raise
        # What is recorded so far is what the person who pressed stop wants.
        return recorder
    except BaseException:
        recorder.close()
        raise
    recorder.close()
    if recording.failure is not None and not recording.readings:
        raise recording.failure
    return recorder


def _summary(series: Series) -> tuple[Any, ...]:
    numbers = [value for value in series.values() if value == value]
    figures = (min(numbers), statistics.fmean(numbers), max(numbers)) if numbers else (None,) * 3
    last = next((value for value in reversed(series.values()) if value == value), None)
    return (
        series.label,
        series.unit or None,
        len(series.readings),
        len(series.errors),
        len(series.gaps),
        *(None if figure is None else float(f"{figure:.4g}") for figure in (*figures, last)),
    )
