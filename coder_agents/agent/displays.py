"""
Live views and recordings of an agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO, cast

from coder_agents.agent.base import BaseAgent

if TYPE_CHECKING:
    from coder_agents.agent import Agent
    from coder_agents.display import LogsView, MetadataRecorder, MetadataView
    from coder_agents.streams import StreamOptions


class AgentDisplays(BaseAgent):
    """
    The methods of an agent that show its metadata and its log, and record its metadata.
    """

    def metadata_view(
        self,
        *,
        seconds: float | None = None,
        file: TextIO | None = None,
        options: StreamOptions | None = None,
    ) -> MetadataView:
        """
        Show the agent's metadata as a table that is updated in place.

        The call returns after *seconds*, or when it is interrupted by Ctrl-C or a notebook's stop
        button: that is the usual end of the view, and raises nothing. The result is the view with its
        last state; its connection is closed.

        In a notebook the table is the output of the cell. On a terminal it is drawn again in its
        place. A file or a pipe gets a line for each value that changes. *file* is the file to write
        to; None is the cell of a notebook, elsewhere the standard output. The view is drawn at most
        four times a second, and only when something has changed.

        Raises what `watch_metadata` and its stream raise; *ValueError* or *TypeError* for impossible
        arguments, before any request.
        """
        from coder_agents.display.metadata_view import metadata_view

        return metadata_view(cast("Agent", self), seconds=seconds, file=file, options=options)

    def logs_view(
        self,
        tail: int = 20,
        *,
        seconds: float | None = None,
        file: TextIO | None = None,
        options: StreamOptions | None = None,
    ) -> LogsView:
        """
        Show the newest *tail* lines of the agent's log, updated in place.

        The call returns when the log ends, after *seconds*, or when it is interrupted. For this, and
        for *file*, see `metadata_view`. A file or a pipe gets every line from the *tail* newest
        stored lines on.

        Raises what `follow_logs` and its stream raise; *ValueError* or *TypeError* for impossible
        arguments, before any request.
        """
        from coder_agents.display.logs_view import logs_view

        return logs_view(cast("Agent", self), tail, seconds=seconds, file=file, options=options)

    def record_metadata(
        self, *, seconds: float | None = None, options: StreamOptions | None = None
    ) -> MetadataRecorder:
        """
        Record the agent's metadata, and return the recorder, which has the readings.

        With *seconds*, the call records for so long and returns the recorder, stopped; Ctrl-C or a
        notebook's stop button ends it earlier, and raises nothing. Without *seconds*, the call returns
        at once, and a thread records in the background until the recorder is closed::

            with agent.record_metadata() as recorder:
                agent.run("make test")
            recorder.plot()

        Raises what `watch_metadata` raises; *ValueError* or *TypeError* for impossible arguments,
        before any request. With *seconds*, it also raises the error that ended the stream before the
        first reading.
        """
        from coder_agents.display.recorder import record

        return record([cast("Agent", self)], seconds=seconds, options=options)
