"""
Errors as one line, and their exit codes.
"""

from __future__ import annotations

import errno
import sys

import click

from coder_agents.cli import exits
from coder_agents.cli.root import NAME
from coder_agents.errors import CoderError
from coder_agents.render import escape_controls

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MAX_LINE = 2_000  # characters: a proxy's page in an error is no reason to scroll


def report_failure(error: BaseException) -> int:
    """
    Print *error* as one line on standard error, and return its exit code.
    """
    if isinstance(error, click.ClickException):
        report(_usage(error))
        return error.exit_code
    if isinstance(error, CoderError | ImportError | OSError | ValueError):
        report(f"{one_line(error)}{_advice(error)}")
    else:
        kind = type(error).__name__
        report(f"unexpected {kind}: {one_line(error)}; --debug shows where")
    is_late = isinstance(error, TimeoutError) and not _is_of_request(error)
    return exits.TIMED_OUT if is_late or _is_late_command(error) else exits.FAILED


def report(text: str) -> None:
    """
    Print *text* as one line on standard error, safe on a terminal, after the name of the program.
    """
    line = escape_controls(text)
    if len(line) > _MAX_LINE:
        line = f"{line[:_MAX_LINE]}…"
    sys.stdout.flush()
    print(f"{NAME}: {line}", file=sys.stderr)


def one_line(error: BaseException) -> str:
    """
    Return the text of *error* as one line, with the advice for a shell.
    """
    if isinstance(error, OSError) and error.strerror and not isinstance(error, CoderError):
        place = error.filename
        if place is None and error.errno in _FULL:
            place = "standard output"  # every other file is named
        return f"{place}: {error.strerror}" if place is not None else error.strerror
    from coder_agents.cli.advice import in_shell

    parts = (part.strip() for part in in_shell(str(error)).splitlines())
    return "; ".join(part for part in parts if part) or type(error).__name__


def _advice(error: BaseException) -> str:
    """
    Return the command that finds the reason of *error*, where its text cannot name it.
    """
    from coder_agents.errors import AuthenticationError, ConfigError, TransportError

    if isinstance(error, AuthenticationError):
        return "; set CODER_SESSION_TOKEN to what `coder tokens create` prints"
    if isinstance(error, TransportError):
        return f"; {NAME} doctor checks the way to the deployment"
    return f"; {NAME} doctor checks all settings" if isinstance(error, ConfigError) else ""


def _usage(error: click.ClickException) -> str:
    text = error.format_message().rstrip(".")
    text = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    context = getattr(error, "ctx", None)
    return f"{text}; see {context.command_path} --help" if context is not None else text


def _is_of_request(error: BaseException) -> bool:
    """
    Whether *error* is that of a single request, and not of the time limit of a command.
    """
    from coder_agents.errors import TransportError

    return isinstance(error, TransportError) or not isinstance(error, CoderError)


def _is_late_command(error: BaseException) -> bool:
    from coder_agents.errors import CommandTimeoutError

    return isinstance(error, CommandTimeoutError)
