"""
Errors of the builds that start and stop workspaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from coder_agents.errors.api import BadRequestError
from coder_agents.errors.root import CoderError

if TYPE_CHECKING:
    from coder_agents.schema import ProvisionerJobLog, WorkspaceBuild


class BuildTimeoutError(CoderError, TimeoutError):
    """
    A build did not end within the time-out. The build continues.

    Attributes:
        build: the build as it was last read.
        waited: how long the method waited, in seconds.
        last_lines: the last lines of the build's log; empty where the log cannot be read.
    """

    def __init__(
        self,
        text: str = "",
        *,
        build: WorkspaceBuild | None = None,
        waited: float = 0.0,
        last_lines: Sequence[ProvisionerJobLog] = (),
    ) -> None:
        super().__init__(text)
        self.build = build
        self.waited = waited
        self.last_lines = tuple(last_lines)


class BuildEndedError(BadRequestError):
    """
    400: the build has ended, so it cannot be canceled.

    Attributes:
        build: the build.
    """

    def __init__(
        self, text: str = "", *, build: WorkspaceBuild | None = None, **answer: Any
    ) -> None:
        super().__init__(text, **answer)
        self.build = build
