"""
Terminals and jobs that are gone, and commands that cannot be reached any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from coder_agents.errors.resolve import FindingError
from coder_agents.errors.root import CoderError


class TerminalNotFoundError(FindingError):
    """
    The agent has no terminal of this id, or its command has ended.
    """


class TerminalError(CoderError):
    """
    A terminal could not be started, or broke off.
    """


class JobNotFoundError(FindingError):
    """
    The agent has no job of this id, or its folder was removed.

    Attributes:
        job_id: the id.
    """

    def __init__(self, text: str = "", *, job_id: str = "") -> None:
        super().__init__(text)
        self.job_id = job_id


class ContainerNotFoundError(FindingError):
    """
    The agent lists no such container, or the container does not run.

    Attributes:
        containers: the names of the containers that the agent lists.
    """

    def __init__(self, text: str = "", *, containers: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.containers = tuple(containers)


class CommandLostError(CoderError):
    """
    The agent could not be reached any more while a command was started or ran.

    Attributes:
        job_id: the id of the job, which `Agent.job` finds again where the machine comes back.
        started: whether the command had started; None where that is not known.
    """

    def __init__(self, text: str = "", *, job_id: str = "", started: bool | None = None) -> None:
        super().__init__(text)
        self.job_id = job_id
        self.started = started


class ShellError(CoderError):
    """
    The agent cannot run commands: a tool or a folder is missing there, or its disk is full.
    """
