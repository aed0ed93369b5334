"""
What a client does with several agents: functions that are called with each of them.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from coder_agents.agent import Agent
from coder_agents.batch.each import EachOptions, complete
from coder_agents.batch.results import Results
from coder_agents.batch.threads import Later
from coder_agents.config import seconds_or_none, whole_number
from coder_agents.errors import CoderError
from coder_agents.representation import ResultList
from coder_agents.schema import (
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
)

if TYPE_CHECKING:
    from coder_agents.jobs import CompletedCommand
    from coder_agents.readiness.options import WaitOptions

_GRACE = 10.0  # seconds for the last request, which finds out why an agent is not ready
_READS = 64.0  # reads a second, of all agents that are waited for together


def read_metadata(
    agents: list[Agent], *, timeout: float | None, options: EachOptions
) -> Results[ResultList[WorkspaceAgentMetadata]]:
    """
    Return the metadata of *agents*; see `Client.metadata`.
    """
    seconds_or_none("timeout", timeout)

    def read(agent: Agent) -> ResultList[WorkspaceAgentMetadata]:
        return agent._read_metadata("client.metadata()", timeout, on_source=lambda source: None)

    return complete(agents, read, options, of=WorkspaceAgentMetadata)


def read_ports(
    agents: list[Agent], *, options: EachOptions
) -> Results[ResultList[WorkspaceAgentListeningPort]]:
    """
    Return the ports of *agents*; see `Client.ports`.
    """
    return complete(agents, Agent.listening_ports, options, of=WorkspaceAgentListeningPort)


def read_logs(
    agents: list[Agent],
    *,
    after: Mapping[uuid.UUID, int | str],
    filters: Mapping[str, Any],
    options: EachOptions,
) -> Results[ResultList[WorkspaceAgentLog]]:
    """
    Return the stored lines of the logs of *agents*; see `Client.logs`.
    """
    from coder_agents.streams.bookmark import Bookmark
    from coder_agents.streams.filters import LogFilter

    wanted = LogFilter(**filters)
    for unknown in after.keys() - {agent.id for agent in agents}:
        raise ValueError(f"after has the key {unknown!r}, the id of none of the agents")
    begin = {agent.id: Bookmark.begin(after.get(agent.id, 0), agent.id) for agent in agents}
    now = datetime.now(UTC)

    def read(agent: Agent) -> ResultList[WorkspaceAgentLog]:
        if wanted.unknown(agent.data.log_sources):
            agent.refresh()
        return agent._stored_logs(begin[agent.id], wanted.bind(agent.data.log_sources, now))

    found = complete(agents, read, options, of=WorkspaceAgentLog)
    if agents and not found.failures:
        wanted.check_names([source for agent in agents for source in agent.data.log_sources])
    return found


def run_command(
    agents: list[Agent], command: Any, *, arguments: Mapping[str, Any], options: EachOptions
) -> Results[CompletedCommand]:
    """
    Run *command* on each of *agents*; see `Client.run`.
    """
    from coder_agents.jobs import CompletedCommand

    _check_command(command, **arguments)

    def run(agent: Agent) -> CompletedCommand:
        return agent.run(command, **arguments)

    return complete(agents, run, options, of=CompletedCommand)


def _check_command(
    command: Any,
    *,
    input: Any,
    stdout: Any,
    stderr: Any,
    text: bool | None,
    encoding: str | None,
    errors: str | None,
    timeout: float | None,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    shell: str | bool | None,
    max_output: int,
    check: bool,
    container: str | None,
    container_user: str | None,
) -> None:
    """
    Raise *TypeError*, *ValueError* or *LookupError* for what no agent could run.
    """
    from coder_agents.jobs import launch

    if isinstance(input, io.IOBase) or hasattr(input, "read"):
        raise TypeError("input must be bytes or text: each agent gets all of it")
    for name, target in (("stdout", stdout), ("stderr", stderr)):
        if target is not None and not isinstance(target, int):
            raise TypeError(
                f"{name} must be a constant of subprocess or None: the outputs of several agents"
                " would be mixed in one file; each CompletedCommand has its own"
            )
    form = launch.TextForm.of(text, encoding, errors)
    launch.check_input(input, form)
    whole_number("max_output", max_output, least=0)
    launch.start_request(
        launch.new_id(),
        command,
        stdin="none",
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        shell=shell,
        timeout=timeout,
        wait=0,
    )
    if container_user and not container:
        raise ValueError("container_user is a user in a container: give container, too")


def wait_ready(agents: list[Agent], wanted: WaitOptions, *, options: EachOptions) -> Results[Agent]:
    """
    Wait until *agents* can be used; see `Client.wait_ready`.
    """
    if wanted.timeout is not None:
        # A request that waits for its turn, because the deployment limits requests, knows no deadline.
        options = attrs.evolve(options, timeout=wanted.timeout, grace=_GRACE)
    return complete(agents, _readiness(len(agents), wanted), options, of=Agent)


def _readiness(count: int, wanted: WaitOptions) -> Callable[[Agent], Any]:
    """
    Return a function that reads an agent once, and returns `Later` while the agent is not ready.

    So agents that are never ready do not keep the threads from the others.
    """
    from coder_agents.readiness.options import Deadline
    from coder_agents.readiness.rules import Verdict, poll_interval, verdict
    from coder_agents.readiness.waiting import wait_ready as conclude
    from coder_agents.streams.reconnect import is_resumable, requested_pause

    deadline = Deadline(wanted.timeout)

    def concluded(agent: Agent) -> Agent:
        # The error reports the whole time, and why the agent is not ready, or what went wrong.
        conclude(agent, wanted, deadline)
        return agent

    def step(agent: Agent) -> Any:
        if not deadline.left:
            return concluded(agent)
        pause = max(poll_interval(deadline.waited, wanted.pauses), count / _READS)
        try:
            found = verdict(agent.refresh(), blocking_only=wanted.blocking_only)
        except CoderError as error:
            if not is_resumable(error):
                raise
            return Later(min(max(pause, requested_pause(error)), deadline.left))
        if found is Verdict.READY:
            return agent
        if found is Verdict.WAITING:
            return Later(min(pause, deadline.left))
        return concluded(agent)

    return step
