"""
The methods of a client that do something with several agents.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from coder_agents.base_client import BaseClient

if TYPE_CHECKING:
    from coder_agents.agent import Agent
    from coder_agents.batch import EachOptions, Results
    from coder_agents.batch.results import Progress
    from coder_agents.client import Client
    from coder_agents.jobs import CompletedCommand
    from coder_agents.jobs.run_text import Command
    from coder_agents.readiness.options import WaitOptions
    from coder_agents.representation import ResultList
    from coder_agents.schema import (
        LogLevel,
        LogLevelName,
        WorkspaceAgentListeningPort,
        WorkspaceAgentLog,
        WorkspaceAgentMetadata,
    )

R = TypeVar("R")


class BatchMethods(BaseClient):
    """
    The methods of a client that do something with several agents.

    An agent that is listed twice is used once. Agents of another deployment are refused before any
    request.
    """

    def each(
        self,
        agents: Iterable[Agent],
        function: Callable[[Agent], R],
        *,
        max_workers: int = 16,
        executor: Executor | None = None,
        timeout: float | None = None,
        progress: Progress = None,
        rate: float | None = None,
        send_token: bool = False,
    ) -> Results[R]:
        """
        Call *function* with each of *agents*, and return the results, which arrive as they come.

        The call returns at once, and the work has begun: at most *max_workers* threads of its own call
        *function*. They end when all agents are done, and the interpreter waits for them at its exit.
        An exception of *function* is among `Results.failures`, and does not affect the other agents.

        While *function* uses the agent that it gets, Ctrl-C or the end of *timeout* closes the connections
        of that agent. So *function* has to finish what it opens: it reads a stream to its end, or
        returns a list of its items.

        Args:
            agents: the agents, such as those of `agents`.
            function: is called with an agent.
            max_workers: how many agents are worked on at the same time.
            executor: calls *function* in place of the threads. On an executor of threads, the agents are
                these. Any other executor, such as a pool of processes or Dask's, gets copies that can be
                pickled: their client is that of `Client.from_env` there, and has to be one of the same
                deployment. *function*, and all that it refers to, has to be pickled as well.
            timeout: seconds for all agents together; None is no limit. Agents without a result by then
                get a *BatchTimeoutError*.
            progress: is called with the number of agents that are done, and of all agents, by the thread
                that waits; False shows nothing; None shows a bar where a person is watching.
            rate: how many requests a second begin at most. None means 256, which all calls of this client
                over several agents share; a rate is for this call alone. Where the deployment limits
                requests (status 429), they begin more slowly, and no agent fails because of that.
            send_token: sends the token and all settings of the client with each agent to *executor*.

        Raises *TypeError* or *ValueError*, before any request, for impossible arguments.
        """
        from coder_agents.batch import EachOptions, agents_of, begin, pace_of

        options = EachOptions(
            max_workers=max_workers,
            executor=executor,
            timeout=timeout,
            progress=progress,
            send_token=send_token,
            pace=pace_of(self._http, rate),
        )
        return begin(agents_of(self._http, agents), function, options)

    def metadata(
        self,
        agents: Iterable[Agent] | None = None,
        *,
        timeout: float | None = 10.0,
        max_workers: int = 16,
        progress: Progress = None,
        rate: float | None = None,
    ) -> Results[ResultList[WorkspaceAgentMetadata]]:
        """
        Return the current metadata of *agents*; None means the agents of your own workspaces.

        The metadata is read as by `Agent.metadata`, for at most *max_workers* agents at the same time.
        Each agent has *timeout* seconds, apart from the time in which its request waits for its turn;
        None is no limit. The error of an agent is among
        `Results.failures`, and does not affect the other agents. The threads that read have ended when
        this method returns. Ctrl-C ends the threads and their connections; only a TCP connect without
        an answer runs to its time-out. *progress* and *rate* are as in `each`.

        Raises what `agents` raises, and *TypeError* or *ValueError* before any request.
        """
        from coder_agents.batch import agents_of
        from coder_agents.batch.verbs import read_metadata

        options = self._options(max_workers, progress, rate)
        selected = cast("Client", self).agents() if agents is None else agents
        return read_metadata(agents_of(self._http, selected), timeout=timeout, options=options)

    def ports(
        self,
        agents: Iterable[Agent],
        *,
        max_workers: int = 16,
        progress: Progress = None,
        rate: float | None = None,
    ) -> Results[ResultList[WorkspaceAgentListeningPort]]:
        """
        Return the ports on which processes listen in the workspaces of *agents*.

        The ports are those of `Agent.listening_ports`; an agent that is not connected is among
        `Results.failures`. `metadata` describes the other arguments, the threads and Ctrl-C.

        Raises *TypeError* or *ValueError* before any request.
        """
        from coder_agents.batch import agents_of
        from coder_agents.batch.verbs import read_ports

        options = self._options(max_workers, progress, rate)
        return read_ports(agents_of(self._http, agents), options=options)

    def logs(
        self,
        agents: Iterable[Agent],
        *,
        after: Mapping[uuid.UUID, int | str] | None = None,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        before: int | None = None,
        source: uuid.UUID | str | Iterable[uuid.UUID | str] | None = None,
        level: LogLevel | LogLevelName | None = None,
        grep: str | re.Pattern[str] | None = None,
        max_workers: int = 16,
        progress: Progress = None,
        rate: float | None = None,
    ) -> Results[ResultList[WorkspaceAgentLog]]:
        """
        Return the stored lines of the logs of *agents*, as `Agent.logs` returns them.

        *after* and the filters are those of `follow_logs`, and apply to each log separately. `metadata`
        describes the other arguments, the threads and Ctrl-C.

        Raises *ValueError* or *TypeError*, before any request, for impossible arguments; *ValueError*
        for the name of a *source* that none of the agents has.
        """
        from coder_agents.batch import agents_of
        from coder_agents.batch.verbs import read_logs

        return read_logs(
            agents_of(self._http, agents),
            after=by_agent_id(after),
            filters={
                "tail": tail,
                "since": since,
                "before": before,
                "source": source,
                "level": level,
                "grep": grep,
            },
            options=self._options(max_workers, progress, rate),
        )

    def run(
        self,
        agents: Iterable[Agent],
        command: Command,
        *,
        input: bytes | str | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        check: bool = False,
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        shell: str | bool | None = None,
        container: str | None = None,
        container_user: str | None = None,
        max_output: int = 64 * 2**20,
        max_workers: int = 16,
        progress: Progress = None,
        rate: float | None = None,
    ) -> Results[CompletedCommand]:
        """
        Run *command* on each of *agents*, and return how it ended on each.

        `Agent.run` describes the arguments; *timeout* is for each agent. *input* is bytes or text, of
        which each agent gets all. Without *check*, a command with another return code than 0 is a
        result like others; with *check* it is among `Results.failures`, as are agents that cannot run
        the command. Ctrl-C kills the commands that are running, and starts no other.

        *max_workers* is the number of commands that run at the same time, *progress* and *rate* are
        as in `each`.

        Raises *ValueError*, *TypeError* or *LookupError*, before any request, for impossible arguments.
        """
        from coder_agents.batch import agents_of
        from coder_agents.batch.verbs import run_command

        arguments = {
            "input": input,
            "stdout": stdout,
            "stderr": stderr,
            "text": text,
            "encoding": encoding,
            "errors": errors,
            "check": check,
            "timeout": timeout,
            "cwd": cwd,
            "env": env,
            "shell": shell,
            "container": container,
            "container_user": container_user,
            "max_output": max_output,
        }
        options = self._options(max_workers, progress, rate)
        return run_command(
            agents_of(self._http, agents), command, arguments=arguments, options=options
        )

    def _options(self, max_workers: int, progress: Progress, rate: float | None) -> EachOptions:
        from coder_agents.batch import EachOptions, pace_of

        pace = pace_of(self._http, rate)
        return EachOptions(max_workers=max_workers, progress=progress, pace=pace)

    def _wait_all_ready(
        self,
        agents: Iterable[Agent],
        wanted: WaitOptions,
        *,
        max_workers: int,
        progress: Progress,
        rate: float | None,
    ) -> Results[Agent]:
        from coder_agents.batch import agents_of
        from coder_agents.batch.verbs import wait_ready

        options = self._options(max_workers, progress, rate)
        return wait_ready(agents_of(self._http, agents), wanted, options=options)


def by_agent_id(after: Any) -> dict[uuid.UUID, int | str]:
    """
    Return *after*, a mapping from ids of agents to positions in their logs, as a dict.

    Raises *TypeError* where it is no such mapping.
    """
    if after is None:
        return {}
    if not isinstance(after, Mapping):
        raise TypeError(
            "after must be a mapping from the ids of agents to ids of lines or bookmarks, as"
            f" MergedLogStream.bookmarks is, not {type(after).__name__}"
        )
    for key in after:
        if not isinstance(key, uuid.UUID):
            raise TypeError(f"the keys of after must be ids, agent.id, not {type(key).__name__}")
    return dict(after)
