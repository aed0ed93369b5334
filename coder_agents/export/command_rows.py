"""
The rows of jobs and of commands that have ended.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    boolean,
    category,
    integer,
    moment,
    number,
    one_row,
    text,
)
from coder_agents.jobs import CompletedCommand, Job, JobInfo

JOBS = Table(
    "jobs",
    (
        category("agent"),
        text("id"),
        text("command"),
        category("state"),
        integer("returncode"),
        integer("pid"),
        moment("started_at"),
        integer("stdout_size", is_required=True),
        integer("stderr_size", is_required=True),
    ),
)

COMMANDS = Table(
    "commands",
    (
        category("agent"),
        text("command"),
        integer("returncode", is_required=True),
        number("duration"),
        boolean("truncated"),
        text("stdout"),
        text("stderr"),
    ),
)


def commands() -> dict[type, Kind]:
    """
    Return the kinds of jobs and of commands that have ended.
    """
    return {
        JobInfo: one_row(JOBS, _listed),
        Job: one_row(JOBS, _job),
        CompletedCommand: one_row(COMMANDS, _completed),
    }


def _listed(job: JobInfo, owner: Owner) -> tuple[Any, ...]:
    return (
        owner.label,
        job.id,
        job.command,
        job.state,
        job.returncode,
        job.pid,
        job.started_at,
        job.stdout_size,
        job.stderr_size,
    )


def _job(job: Job, owner: Owner) -> tuple[Any, ...]:
    return (
        owner.label,
        job.id,
        None if job.args is None else _command(job.args),
        job._progress.state,
        job.returncode,
        job.pid,
        None,
        *job._progress.sizes,
    )


def _completed(done: CompletedCommand, owner: Owner) -> tuple[Any, ...]:
    return (
        owner.label,
        _command(done.args),
        done.returncode,
        done.duration,
        done.truncated,
        _output(done.stdout),
        _output(done.stderr),
    )


def _command(args: Any) -> str:
    return args if isinstance(args, str) else shlex.join(map(_argument, args))


def _argument(argument: str | bytes) -> str:
    return os.fsdecode(argument) if isinstance(argument, bytes) else argument


def _output(output: str | bytes | None) -> str | None:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output
