"""
Waiting for an agent: it is read until it is ready.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence

from coder_agents.errors import (
    AgentShutDownError,
    CoderError,
    ReadyTimeoutError,
    StartupError,
)
from coder_agents.readiness.attempts import Attempts
from coder_agents.readiness.evidence import (
    Evidence,
    failure,
    last_lines,
    quoted_lines,
    running_scripts,
    script_name,
    startup_scripts,
)
from coder_agents.readiness.lines import (
    FollowedLines,
    UnreadLines,
    WaitedAgent,
    WaitLines,
    name_of,
)
from coder_agents.readiness.options import Deadline, WaitOptions
from coder_agents.readiness.report import report_startup
from coder_agents.readiness.reported import settled_timings, timings_or_none
from coder_agents.readiness.rules import Verdict, poll_interval, verdict
from coder_agents.render import escape_controls
from coder_agents.schema import (
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentScript,
    WorkspaceAgentStatus,
)

logger = logging.getLogger("coder_agents")


def wait_ready(agent: WaitedAgent, options: WaitOptions, deadline: Deadline) -> WorkspaceAgent:
    """
    Wait until *agent* is ready, and return its data; see `Agent.wait_ready`.
    """
    lines: WaitLines = UnreadLines()
    if options.on_log is not None:
        lines = FollowedLines(agent, options.on_log, options.pauses)
    with contextlib.closing(lines):
        return _Wait(agent, options, deadline, lines).run()


class _Wait:
    """
    The wait for one agent.
    """

    def __init__(
        self, waited: WaitedAgent, options: WaitOptions, deadline: Deadline, lines: WaitLines
    ) -> None:
        self._waited = waited
        self._name = name_of(waited)
        self._options = options
        self._deadline = deadline
        self._lines = lines
        self._agent: WorkspaceAgent | None = None
        self._attempts = Attempts(self._name)

    def run(self) -> WorkspaceAgent:
        began = time.monotonic()
        while True:
            agent = self._read()
            found = self._decide(agent)
            if agent is not None and found is not Verdict.WAITING:
                return self._conclude(agent, found)
            if not self._deadline.left:
                raise self._timed_out() from self._attempts.trouble
            pause = self._attempts.pause(
                poll_interval(time.monotonic() - began, self._options.pauses)
            )
            self._lines.wait(min(pause, self._deadline.left))

    def _decide(self, agent: WorkspaceAgent | None) -> Verdict:
        if agent is None:
            return Verdict.WAITING
        return verdict(agent, blocking_only=self._options.blocking_only)

    def _read(self) -> WorkspaceAgent | None:
        """
        Return the agent's data; None where reading it failed with an error that may pass.
        """
        agent = self._attempts.read(self._waited.refresh)
        if agent is None:
            return None
        before, self._agent = self._agent, agent
        if before is None or _state(before) != _state(agent):
            self._report_state(agent)
        return agent

    def _report_state(self, agent: WorkspaceAgent) -> None:
        status, state = _state(agent)
        logger.info("%s is %s, %s", self._name, _word(status), _word(state))
        if self._decide(agent) is Verdict.WAITING:
            self._warn_of_waiting(agent)
        if self._options.on_state is not None:
            self._options.on_state(self._waited)

    def _warn_of_waiting(self, agent: WorkspaceAgent) -> None:
        if agent.status == WorkspaceAgentStatus.DISCONNECTED:
            logger.warning("%s is disconnected: waiting until it connects again", self._name)
        elif agent.status == WorkspaceAgentStatus.TIMEOUT:
            logger.warning(
                "%s has not connected within %d s: waiting until it connects%s",
                self._name,
                agent.connection_timeout_seconds,
                _where_to_read(agent),
            )

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
            f"{self._name} is {_word(agent.lifecycle_state)}: it will not be ready in this build;"
            " the next start of its workspace has another agent"
            + quoted_lines(lines, "The end of its log"),
            agent=agent,
            last_lines=lines,
        )

    def _went_wrong(self, agent: WorkspaceAgent) -> StartupError:
        if agent.lifecycle_state in _HAPPENED:
            timings = settled_timings(self._waited, agent)
            logs = self._logs()
            found = failure(agent, logs, timings)
        else:
            timings, logs = timings_or_none(self._waited), self._logs()
            found = Evidence(lines=last_lines(logs))
        text = f"{self._name}: {_what_happened(agent)}"
        if found.name:
            text += f": {found.name}{_how_it_ended(found)}"
        if found.is_guess:
            text += f"; which script is not known, because {self._why_a_guess()}"
        heading = f"The last lines of {found.source}" if found.source else "The end of its log"
        if found.is_guess and found.source:
            heading = f"A guess: the last errors in its log are from {found.source}"
        return StartupError(
            text + quoted_lines(found.lines, heading),
            agent=agent,
            script=found.script,
            source=found.source,
            status=found.status,
            exit_code=found.exit_code,
            duration=found.duration,
            is_guess=found.is_guess,
            report=report_startup(agent, logs, timings),
            last_lines=found.lines,
        )

    def _why_a_guess(self) -> str:
        if self._waited.workspace is None:
            return "the agent's workspace is not known"
        return "its build does not list the script"

    def _timed_out(self) -> ReadyTimeoutError:
        self._lines.catch_up()
        waited = self._deadline.waited
        text = f"{self._name} is not ready after {waited:.1f} s"
        agent = self._agent
        if agent is None:
            return ReadyTimeoutError(f"{text}: {self._attempts.trouble}", waited=waited)
        running = self._running(agent)
        lines = last_lines(self._logs(), [script.log_source_id for script in running])
        text += f": it is {_word(agent.status)}, {_word(agent.lifecycle_state)}"
        text += _what_it_waits_for(agent, [script_name(agent, script) for script in running])
        if self._attempts.trouble is not None:
            text += f"; it cannot be read now: {self._attempts.trouble}"
        return ReadyTimeoutError(
            text + quoted_lines(lines, "The end of its log"),
            agent=agent,
            running=[script_name(agent, script) for script in running],
            waited=waited,
            last_lines=lines,
        )

    def _running(self, agent: WorkspaceAgent) -> list[WorkspaceAgentScript]:
        is_starting = agent.lifecycle_state == WorkspaceAgentLifecycle.STARTING
        if not is_starting or len(startup_scripts(agent)) < 2:
            return running_scripts(agent)  # this needs no further request
        return running_scripts(agent, timings_or_none(self._waited))

    def _logs(self) -> Sequence[WorkspaceAgentLog]:
        try:
            return self._waited.logs(0)
        except CoderError as error:
            # The caller is about to raise a more important error.
            logger.debug("%s: its log cannot be read: %s", self._name, error)
            return ()


def _state(agent: WorkspaceAgent) -> tuple[str, str]:
    return agent.status, agent.lifecycle_state


def _word(word: str) -> str:
    return escape_controls(word) or "in an unknown state"


def _where_to_read(agent: WorkspaceAgent) -> str:
    url = escape_controls(agent.troubleshooting_url)
    return f"; see {url}" if url else ""


_HAPPENED = {
    WorkspaceAgentLifecycle.START_TIMEOUT: "a startup script took too long",
    WorkspaceAgentLifecycle.START_ERROR: "a startup script failed",
}


def _what_happened(agent: WorkspaceAgent) -> str:
    state = agent.lifecycle_state
    what = _HAPPENED.get(state, "the result of its start is not known")
    return f"{what} ({_word(state)})"


def _how_it_ended(found: Evidence) -> str:
    """
    Return the end of the script that failed, in parentheses; empty where it is not known.
    """
    if found.status is None:
        return ""
    after = ""
    if found.duration is not None:
        after = f", after {found.duration.total_seconds():.1f} s"
    return f" ({_word(found.status)}, exit code {found.exit_code}{after})"


def _what_it_waits_for(agent: WorkspaceAgent, running: Sequence[str]) -> str:
    if agent.status != WorkspaceAgentStatus.CONNECTED:
        return _where_to_read(agent)
    if running:
        return f"; still running: {', '.join(running)}"
    scripts = [script_name(agent, script) for script in startup_scripts(agent)]
    return f"; one of its startup scripts still runs: {', '.join(scripts)}" if scripts else ""
