"""
Commands on an agent: the control shell, its protocol, and the jobs that it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.jobs.job import Job
    from coder_agents.jobs.job_info import JobInfo
    from coder_agents.jobs.output import Output, OutputStream
    from coder_agents.jobs.run import CompletedCommand

__all__ = ["CompletedCommand", "Job", "JobInfo", "Output", "OutputStream"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "job": "Job",
        "job_info": "JobInfo",
        "output": "Output OutputStream",
        "run": "CompletedCommand",
    },
)
