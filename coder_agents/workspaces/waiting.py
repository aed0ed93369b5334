"""
Waiting until a build has ended.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence

import attrs

from coder_agents.errors import BuildTimeoutError, CoderError, WorkspaceFailedError
from coder_agents.readiness.attempts import Attempts, log_may_pass
from coder_agents.readiness.evidence import LAST_LINES, quoted_texts
from coder_agents.readiness.rules import poll_interval
from coder_agents.render import escape_controls
from coder_agents.schema import (
    ProvisionerJobLog,
    ProvisionerJobStatus,
    Workspace,
    WorkspaceBuild,
)
from coder_agents.streams import StreamEnd, StreamOptions
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.build_logs import BuildLogStream, follow_build_log
from coder_agents.streams.build_sources import BuildSources
from coder_agents.transport import HTTP
from coder_agents.workspaces.builds import (
    description,
    place_in_queue,
    read_build,
    read_build_log,
)
from coder_agents.workspaces.options import BuildOptions

logger = logging.getLogger("coder_agents")


class BuildWait:
    """
    The wait for one build.

    Args:
        http: the deployment.
        build: the build as it was last read.
        options: the time limit, and the function that is called with each line of the log.
        stream_options: the options of the stream of the log.
    """

    def __init__(
        self,
        http: HTTP,
        build: WorkspaceBuild,
        options: BuildOptions,
        stream_options: StreamOptions,
    ) -> None:
        self._http = http
        self._build = build
        self._options = options
        self._stream_options = stream_options
        self._after: int | str = 0  # where the log continues
        self._has_all_lines = False
        self._attempts = Attempts(description(build), log_may_pass)

    def run(self) -> WorkspaceBuild:
        """
        Return the build when its job has ended, with or without an error.

        Raises *BuildTimeoutError*. Dropped connections and the statuses 429 and 5xx do not end the
        wait.
        """
        began = time.monotonic()
        deadline, pauses = self._options.deadline, self._stream_options._pauses
        self._report()
        while True:
            self._pass_on_lines()
            self._read()
            if self._build.job.ended:
                self._catch_up()
                return self._build
            if not deadline.left:
                raise self._timed_out()
            pause = self._attempts.pause(poll_interval(time.monotonic() - began, pauses))
            time.sleep(min(pause, deadline.left))

    def _read(self) -> None:
        build = self._attempts.read(lambda: read_build(self._http, self._build.id))
        self._build = build or self._build
        self._report()

    def _report(self) -> None:
        if self._options.on_build is not None:
            self._options.on_build(self._build)

    def _pass_on_lines(self) -> None:
        """
        Call the user's function with each new line, until the build has ended or the time is up.
        """
        on_build_log = self._options.on_build_log
        if on_build_log is None:
            return
        stream = self._attempts.read(self._follow)
        if stream is None:
            return
        with stream:
            while stream.end is None and self._is_waiting:
                line = self._attempts.read(lambda: stream.poll(self._max_wait))
                if line is not None:
                    on_build_log(line)
                elif stream.end is None:
                    self._read()  # a server may miss the end of a build
        self._after = stream.bookmark
        self._has_all_lines = stream.end is StreamEnd.BUILD_ENDED

    def _catch_up(self) -> None:
        """
        Pass on the lines that the stream did not bring before the build ended.
        """
        on_build_log = self._options.on_build_log
        if on_build_log is None or self._has_all_lines:
            return
        floor = Bookmark.begin(self._after, self._build.id, owner="build").floor
        lines = self._attempts.read(lambda: read_build_log(self._http, self._build.id, floor))
        for line in lines or ():
            on_build_log(line)

    def _follow(self) -> BuildLogStream:
        return follow(self._http, self._build.id, self._after, self._stream_options)

    @property
    def _is_waiting(self) -> bool:
        return not self._build.job.ended and self._options.deadline.left > 0

    @property
    def _max_wait(self) -> float:
        """
        The limit of a wait for a line, in seconds.
        """
        return min(self._options.deadline.left, self._stream_options._pauses.max_stable_read)

    def _timed_out(self) -> BuildTimeoutError:
        waited, build = self._options.deadline.waited, self._build
        lines = last_lines(self._http, build)
        text = f"{description(build)} has not ended after {waited:.1f} s: its job is"
        text += f" {escape_controls(build.job.status) or 'in an unknown state'}"
        text += place_in_queue(build)
        if self._attempts.trouble is not None:
            text += f"; it cannot be read now: {self._attempts.trouble}"
        return BuildTimeoutError(
            text + _quoted(lines), build=build, waited=waited, last_lines=lines
        )


def follow(
    http: HTTP, build_id: uuid.UUID, after: int | str, options: StreamOptions
) -> BuildLogStream:
    """
    Return the stream of the log of the build *build_id* after an id or a bookmark, connected.
    """
    begin = Bookmark.begin(after, build_id, owner="build")
    return follow_build_log(BuildSources(http=http, build_id=build_id, options=options), begin)


def raise_failure(http: HTTP, workspace: Workspace, build: WorkspaceBuild) -> None:
    """
    Raise *WorkspaceFailedError* where *build* of *workspace* failed or was canceled.
    """
    if build.job.status == ProvisionerJobStatus.SUCCEEDED:
        return
    lines = last_lines(http, build)
    how = "was canceled" if build.job.status == ProvisionerJobStatus.CANCELED else "failed"
    reason = f": {escape_controls(build.job.error)}" if build.job.error else ""
    raise WorkspaceFailedError(
        f"{description(build)} {how}{reason}" + _quoted(lines),
        workspace=attrs.evolve(workspace, latest_build=build),
        job_error=build.job.error,
        last_lines=lines,
    )


def last_lines(http: HTTP, build: WorkspaceBuild) -> Sequence[ProvisionerJobLog]:
    """
    Return the last lines of the log of *build*; nothing where it cannot be read.
    """
    try:
        return read_build_log(http, build.id)[-LAST_LINES:]
    except CoderError as error:
        # The caller is about to raise a more important error.
        logger.debug("the log of %s cannot be read: %s", description(build), error)
        return ()


def _quoted(lines: Sequence[ProvisionerJobLog]) -> str:
    return quoted_texts([str(line) for line in lines], "The end of its log")
