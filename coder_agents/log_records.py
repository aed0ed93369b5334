"""
Log lines as records of Python's logging.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from coder_agents.render.escape import escape_controls, last_state, without_colours
from coder_agents.schema import LogLevel, ProvisionerJobLog, WorkspaceAgentLog
from coder_agents.streams import AgentLog, LogStream

Line = WorkspaceAgentLog | AgentLog[Any] | ProvisionerJobLog

# Handlers of the level DEBUG expect everything; logging has no lower level with a name.
_LEVELS = {
    LogLevel.TRACE: logging.DEBUG,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


def to_logging(lines: Iterable[Line], logger: logging.Logger, *, raw: bool = False) -> int:
    """
    Log each of *lines* with *logger* as it comes, and return how many lines came.

    *lines* is a stream such as `Agent.follow_logs`, `Client.follow_logs` or
    `Client.follow_build_logs` returns, or a list such as `Agent.logs` returns. A record has the time
    at which the deployment stored the line. Its level is that of the line; trace becomes ``DEBUG``,
    and an unknown level ``INFO``. The record has the attributes ``agent``, ``workspace`` and
    ``owner``, the names; ``source``, the display name of the line's source, or the stage of a build;
    and ``id``, the line's id. A name that is not known is empty: a list does not contain its agent.

    The message, and the names, are one line each without colours, and characters that could move,
    break or reorder text are shown by their codes. With *raw*, they are unchanged, and may break
    out of the line of a text file.

    Lines below the level of *logger* count, too. Ctrl-C passes through, and errors of a stream are
    raised. Raises *TypeError* for anything that is no log line, and for a *logger* that is none.
    """
    _check(lines, logger)
    count = 0
    for line in lines:
        # Across builds, the agent of a stream changes.
        _log(logger, _described(line, lines._agent if isinstance(lines, LogStream) else None), raw)
        count += 1
    return count


def _check(lines: Any, logger: Any) -> None:
    if not isinstance(logger, logging.Logger):
        raise TypeError(
            "logger must be a logger, such as logging.getLogger('workspaces') returns, not"
            f" {type(logger).__name__}"
        )
    if isinstance(lines, str) or not isinstance(lines, Iterable):
        raise TypeError(
            "lines must be log lines, such as agent.follow_logs() yields, not"
            f" {type(lines).__name__}"
        )


@attrs.frozen
class _Described:
    """
    A line in the words of logging.
    """

    level: LogLevel
    created_at: datetime | None
    id: int
    output: str
    source: str
    agent: str = ""
    workspace: str = ""
    owner: str = ""


def _described(line: Any, agent: Any) -> _Described:
    if isinstance(line, AgentLog):
        line, agent = line.log, line.agent
    if isinstance(line, ProvisionerJobLog):
        output = line.output or f"==> {line.stage}"
        return _Described(line.log_level, line.created_at, line.id, output, line.stage)
    if not isinstance(line, WorkspaceAgentLog):
        raise TypeError(
            "lines must be log lines, such as agent.follow_logs() yields; one of them is a"
            f" {type(line).__name__}"
        )
    workspace = getattr(agent, "workspace", None)
    return _Described(
        line.level,
        line.created_at,
        line.id,
        line.output,
        line.source_name,
        getattr(agent, "name", ""),
        "" if workspace is None else workspace.name,
        "" if workspace is None else workspace.owner_name,
    )


def _log(logger: logging.Logger, line: _Described, raw: bool) -> None:
    level = _LEVELS.get(line.level, logging.INFO)
    if not logger.isEnabledFor(level):
        return
    names = {
        name: getattr(line, name) if raw else escape_controls(getattr(line, name))
        for name in ("agent", "workspace", "owner", "source")
    }
    message = line.output if raw else _one_line(line.output)
    # Without arguments, a percent sign in the message is no placeholder.
    record = logger.makeRecord(logger.name, level, "", 0, message, (), None)
    # As extra=, they would be refused where the program's own factory of records sets one of them.
    vars(record).update(names, id=line.id)
    if line.created_at is not None:
        _set_time(record, line.created_at)
    logger.handle(record)


def _one_line(output: str) -> str:
    return escape_controls(without_colours(last_state(output)))


def _set_time(record: logging.LogRecord, moment: datetime) -> None:
    created = moment.timestamp()
    record.relativeCreated += (created - record.created) * 1000
    record.created = created
    record.msecs = float(moment.microsecond // 1000)
