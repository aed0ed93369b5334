"""
What a method that starts or stops a workspace is given, checked.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from coder_agents.readiness.options import Deadline, check_function, check_seconds, check_truth
from coder_agents.schema import ProvisionerJobLog, WorkspaceBuild

OnBuildLog = Callable[[ProvisionerJobLog], object]
"""
Called with each line of the log of a build.
"""

OnBuild = Callable[[WorkspaceBuild], object]
"""
Called with a build that is waited for, each time that the build was read.
"""


@attrs.frozen(kw_only=True)
class BuildOptions:
    """
    The options of a start or a stop; see `Client.start_workspace`.

    Raises *TypeError* or *ValueError* for an impossible option.

    Attributes:
        wait: whether to wait for the build that makes the change.
        timeout: seconds for everything that is waited for; None is no limit.
        on_build_log: called with each line of the builds that are waited for.
        on_build: called with these builds as they were read.
        deadline: the end of the wait, which begins when the object is constructed.
    """

    wait: bool = attrs.field(default=True, validator=check_truth)
    timeout: float | None = attrs.field(default=None, validator=check_seconds)
    on_build_log: OnBuildLog | None = attrs.field(default=None, validator=check_function)
    on_build: OnBuild | None = attrs.field(default=None, validator=check_function)
    deadline: Deadline = attrs.field(
        default=attrs.Factory(lambda options: Deadline(options.timeout), takes_self=True)
    )

    def waiting(self) -> BuildOptions:
        """
        Return the same options, with *wait* true.
        """
        return attrs.evolve(self, wait=True)
