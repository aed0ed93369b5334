"""
Reading an agent until it is ready.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from coder_agents.errors import (
    AgentShutDownError,
    CoderError,
    ReadyTimeoutError,
    StartupError,
    WorkspacePendingError,
)
from coder_agents.readiness.evidence import (
    failure,
    last_lines,
    quoted_lines,
    running_scripts,
    script_name,
    startup_scripts,
)
from coder_agents.readiness.lines import (
    FollowedLines,
    Lines,
    UnreadLines,
    WaitedAgent,
    name_of,
)
from coder_agents.readiness.options import Deadline, WaitOptions
from coder_agents.readiness.rules import Verdict, poll_interval, verdict
from coder_agents.render import escape_controls
from coder_agents.schema import (
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentStatus,
    WorkspaceTransition,
)
from coder_agents.streams.reconnect import is_resumable, requested_pause

logger = logging.getLogger("coder_agents")

T = TypeVar("T")


def wait_ready(agent: WaitedAgent, options: WaitOptions, deadline: Deadline) -> WorkspaceAgent:
    """
    Return *agent* as it was read once it is ready; see `Agent.wait_ready`.
    """
    lines: Lines = UnreadLines()
    if options.on_log is not None:
        lines = FollowedLines(agent, options.on_log, options.pauses)
    with contextlib.closing(lines):
        return _Wait(agent, options, deadline, lines).run()


class _Wait:
    """
    One agent, read until it is ready, or known not to be.
    """

    def __init__(
        self, waited: WaitedAgent, options: WaitOptions, deadline: Deadline, lines: Lines
    ) -> None:
        self._waited = waited
        self._name = name_of(waited)
        self._options = options
        self._deadline = deadline
        self._lines = lines
        self._agent: WorkspaceAgent | None = None
        self._trouble: CoderError | None = None

    def run(self) -> WorkspaceAgent:
        began = time.monotonic()
        while True:
            agent = self._read()
            found = self._decide(agent)
            if agent is not None and found is not Verdict.WAITING:
                return self._conclude(agent, found)
            if not self._deadline.left:
                raise self._timed_out() from self._trouble
            pause = poll_interval(time.monotonic() - began, self._options.pauses)
            if self._trouble is not None:
                pause = max(pause, requested_pause(self._trouble))
            self._lines.wait(min(pause, self._deadline.left))

    def _decide(self, agent: WorkspaceAgent | None) -> Verdict:
        if agent is None:
            return Verdict.WAITING
        return verdict(agent, blocking_only=self._options.blocking_only)

    def _read(self) -> WorkspaceAgent | None:
        """
        Return the agent; None where it cannot be read for what may pass.
        """
        try:
            agent = self._waited.refresh()
        except CoderError as error:
            if not is_resumable(error):
                raise
            level = logging.WARNING if self._trouble is None else logging.DEBUG
            logger.log(level, "%s cannot be read now: %s", self._name, error)
            self._trouble = error
            return None
        self._trouble = None
        before, self._agent = self._agent, agent
        if before is None or _state(before) != _state(agent):
            self._tell(agent)
        return agent

    def _tell(self, agent: WorkspaceAgent) -> None:
        status, state = _state(agent)
        logger.info("%s is %s, %s", self._name, _word(status), _word(state))
        if status == WorkspaceAgentStatus.DISCONNECTED:
            logger.warning("%s has lost its connection: waiting for it", self._name)
        elif status == WorkspaceAgentStatus.TIMEOUT:
            logger.warning(
                "%s has not called within %d s: waiting for it%s",
                self._name,
                agent.connection_timeout_seconds,
                _where_to_read(agent),
            )
        if self._options.on_state is not None:
            self._options.on_state(self._waited)

    def _conclude(self, agent: WorkspaceAgent, found: Verdict) -> WorkspaceAgent:
        self._lines.drain()
        if found is Verdict.SHUT_DOWN:
            raise self._shut_down(agent)
        if found is Verdict.WARNED:
            if self._options.strict:
                raise self._went_wrong(agent)
            logger.warning("%s can be used, but %s", self._name, _what_happened(agent))
        return agent

    def _shut_down(self, agent: WorkspaceAgent) -> AgentShutDownError:
        lines = last_lines(self._logs())
        return AgentShutDownError(
            f"{self._name} is {_word(agent.lifecycle_state)}: it will not be ready"
            " before its workspace is started again" + quoted_lines(lines, "The end of its log"),
            agent=agent,
            last_lines=lines,
        )

    def _went_wrong(self, agent: WorkspaceAgent) -> StartupError:
        found = failure(agent, self._logs())
        text = f"{self._name}: {_what_happened(agent)}"
        if found.script is not None:
            name, status = script_name(agent, found.script), _word(found.script.status or "")
            text += f": {name} ({status}, exit code {found.script.exit_code})"
        heading = f"The last lines of {found.source}" if found.source else "The end of its log"
        if found.script is None and found.source:
            heading = f"Its last errors are from {found.source}"
        return StartupError(
            text + quoted_lines(found.lines, heading),
            agent=agent,
            script=found.script,
            source=found.source,
            exit_code=None if found.script is None else found.script.exit_code,
            last_lines=found.lines,
        )

    def _timed_out(self) -> ReadyTimeoutError:
        self._lines.catch_up()
        waited = self._deadline.waited
        text = f"{self._name} is not ready after {waited:.1f} s"
        agent = self._agent
        if agent is None:
            return ReadyTimeoutError(f"{text}: {self._trouble}", waited=waited)
        running = running_scripts(agent)
        lines = last_lines(self._logs(), [script.log_source_id for script in running])
        text += f": it is {_word(agent.status)}, {_word(agent.lifecycle_state)}"
        text += _what_it_waits_for(agent)
        if self._trouble is not None:
            text += f"; now it cannot be read: {self._trouble}"
        return ReadyTimeoutError(
            text + quoted_lines(lines, "The end of its log"),
            agent=agent,
            running=[script_name(agent, script) for script in running],
            waited=waited,
            last_lines=lines,
        )

    def _logs(self) -> Sequence[WorkspaceAgentLog]:
        try:
            return self._waited.logs(0)
        except CoderError as error:
            # There is an error to raise already, and it is the one that matters.
            logger.debug("%s: its log cannot be read: %s", self._name, error)
            return ()


def _state(agent: WorkspaceAgent) -> tuple[str, str]:
    return agent.status, agent.lifecycle_state


def _word(word: str) -> str:
    return escape_controls(word) or "in no known state"


def _where_to_read(agent: WorkspaceAgent) -> str:
    url = escape_controls(agent.troubleshooting_url)
    return f"; see {url}" if url else ""


_HAPPENED = {
    WorkspaceAgentLifecycle.START_TIMEOUT: "a startup script took too long",
    WorkspaceAgentLifecycle.START_ERROR: "a startup script failed",
}


def _what_happened(agent: WorkspaceAgent) -> str:
    state = agent.lifecycle_state
    what = _HAPPENED.get(state, "nobody knows how its start went")
    return f"{what} ({_word(state)})"


def _what_it_waits_for(agent: WorkspaceAgent) -> str:
    if agent.status != WorkspaceAgentStatus.CONNECTED:
        return _where_to_read(agent)
    running = [script_name(agent, script) for script in running_scripts(agent)]
    if running:
        return f"; running still: {', '.join(running)}"
    scripts = [script_name(agent, script) for script in startup_scripts(agent)]
    return f"; one of its startup scripts runs still: {', '.join(scripts)}" if scripts else ""


def await_build(find: Callable[[], T], options: WaitOptions, deadline: Deadline) -> T:
    """
    Return what *find* gives, once its workspace's build is through.

    Raises what *find* raises, but for the *WorkspacePendingError* of a start and, once there was
    one, for what may pass; *ReadyTimeoutError* where there is no more time.
    """
    answered = False
    while True:
        try:
            return find()
        except CoderError as error:
            pending = _is_start(error)
            if not pending and not (answered and is_resumable(error)):
                raise
            if pending and not answered:
                logger.info("%s", error)
            answered = answered or pending
            trouble = error
        if not deadline.left:
            waited = deadline.waited
            text = f"no agent after {waited:.1f} s: {trouble}"
            raise ReadyTimeoutError(text, waited=waited) from trouble
        pause = max(poll_interval(deadline.waited, options.pauses), requested_pause(trouble))
        time.sleep(min(pause, deadline.left))


def _is_start(error: CoderError) -> bool:
    if not isinstance(error, WorkspacePendingError) or error.workspace is None:
        return False
    return error.workspace.latest_build.transition == WorkspaceTransition.START
