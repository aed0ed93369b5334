"""
The program: it runs a command line, and turns every error into one line and an exit code.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from coder_agents.cli import exits
from coder_agents.cli.root import NAME, root
from coder_agents.cli.settings import CommandSettings

COMPLETE = "_CODER_AGENTS_COMPLETE"
"""
The environment variable with which a shell requests completions.
"""


def main(arguments: Sequence[str]) -> NoReturn:
    """
    Run the command line *arguments*, and end the process with its exit code.
    """
    _open_closed_streams()
    _end_in_order()
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        exits.leave(shell_complete(root, {"obj": CommandSettings()}, NAME, COMPLETE, instruction))
    _interrupt_in_order()
    exits.leave(run(arguments))


def run(arguments: Sequence[str]) -> int:
    """
    Run the command line *arguments*, and return its exit code.

    An error is one line on standard error. With ``--debug`` its traceback comes first.
    """
    settings = CommandSettings()
    try:
        try:
            with root.make_context(NAME, list(arguments), obj=settings) as context:
                status = root.invoke(context)
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except BaseException as error:
        return _failed(error, settings)
    return status or exits.DONE


def _failed(error: BaseException, settings: CommandSettings) -> int:
    """
    Report *error*, and return the exit code.
    """
    if (ended := _exit_among(error)) is not None:
        return ended.code if isinstance(ended.code, int) else exits.FAILED
    if settings.debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return exits.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return exits.READER_GONE
    from coder_agents.cli.failures import report_failure

    return report_failure(error)


def _exit_among(error: BaseException) -> SystemExit | None:
    """
    Return the exit that a signal's handler has raised, where *error* is that exit or has happened during it.

    Where a terminal has gone, the program cannot tidy up the terminal either.
    """
    each: BaseException | None = error
    while each is not None and not isinstance(each, SystemExit):
        each = each.__context__
    return each


def _discard_output() -> None:
    """
    Discard what Python would still write to standard output at the exit.
    """
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError) as error:  # pragma: no cover (standard output has no number)
        if getattr(error, "errno", None) == errno.EMFILE:
            raise


def _open_closed_streams() -> None:
    """
    Open the standard streams that the shell has closed, such as by ``<&-``, on the null device.

    Their numbers would else go to sockets, and what is read or written there to the deployment.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        # Mostly the first call opens that number already.
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
        stream = os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False)
        setattr(sys, name, stream)


def _interrupt_in_order() -> None:
    """
    Let Ctrl-C raise an exception, where it would end the process at once as during the imports.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_in_order() -> None:
    """
    Let what ends the program run its ``finally`` clauses: a cursor is shown again, a command is killed.
    """

    is_ending = False

    def end(number: int, frame: FrameType | None) -> None:
        # When a terminal is closed, the system and the shell send SIGHUP: the second one must not
        # interrupt what the first one lets run.
        nonlocal is_ending
        if not is_ending:
            is_ending = True
            raise SystemExit(exits.BY_SIGNAL + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
