"""
The few lines of shell that become the process of a job.

They reach the agent over the terminal, and are a file of the job's folder until the job ends: no
environment and no command is ever an argument that others see in a list of processes, but for
what the command itself is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from coder_agents.jobs.escape import to_bytes
from coder_agents.render.line import render_value

# Linux refuses an argument of 128 KiB or more. A longer command is read from the job's folder.
MAX_ARGUMENT = 100_000
MAX_SHOWN = 4096  # bytes of a command that a list of jobs shows

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Command = str | Sequence[str | bytes]


def run_text(
    command: Command,
    *,
    shell: str | None = None,
    env: Mapping[str, str] | None = None,
    umask: int | None = None,
) -> bytes:
    """
    Return the lines that set *env* and *umask* and then turn into *command*.

    A string is run by *shell*, by default ``/bin/sh``; a sequence of arguments is executed as it
    is. Raises *ValueError* for what no process can get: a NUL, no arguments, a variable's name
    that is none, a umask beyond 0o777.
    """
    lines = [f"export {name}={_quoted(value)}" for name, value in _checked(env or {})]
    if umask is not None:
        if not 0 <= umask <= 0o777:
            raise ValueError(f"umask must be between 0 and 0o777, not {umask!r}")
        lines.append(f"umask {umask:03o}")
    lines += _execution(command, shell)
    return to_bytes("\n".join(lines) + "\n")


def command_text(command: Command) -> bytes:
    """
    Return *command* as text: what a list of jobs shows, and what a shell reads where it is long.
    """
    if isinstance(command, str):
        return to_bytes(command)
    return to_bytes(shlex.join([_text(word) for word in command]))


def shown_command(command: object) -> str:
    """
    Return *command* as a person would type it, and what is no command by its `repr`.
    """
    if isinstance(command, str):
        return command
    if isinstance(command, (list, tuple)) and all(
        isinstance(word, (str, bytes)) for word in command
    ):
        return shlex.join([_text(word) for word in command])
    return render_value(command)


def _execution(command: Command, shell: str | None) -> list[str]:
    if isinstance(command, str):
        by = _quoted(shell or "/bin/sh")
        check = [_presence(shell)] if shell else []
        if len(to_bytes(command)) > MAX_ARGUMENT:
            _without_nul(command)
            return [*check, f'exec {by} "$_ca_command"']
        return [*check, f"exec {by} -c {_quoted(command)}"]
    if not command:
        raise ValueError("a command has at least one argument")
    words = [_text(word) for word in command]
    if words[0].startswith("-") or not words[0]:
        raise ValueError(f"no program is called {words[0]!r}")
    return [_presence(words[0]), "exec " + " ".join([_quoted(word) for word in words])]


def _presence(program: str) -> str:
    """
    Return the lines that check whether *program* is there and can run: in the shell's own messages,
    the name of this file would come first.
    """
    name = _quoted(program)
    found, can_run = f"[ -e {name} ]", f"[ -x {name} ] && [ ! -d {name} ]"
    if "/" not in program:
        return _otherwise(f"command -v {name} >/dev/null", name, "not found", 127)
    return "\n".join(
        [
            _otherwise(found, name, "not found", 127),
            _otherwise(can_run, name, "Permission denied", 126),
        ]
    )


def _otherwise(check: str, name: str, reason: str, code: int) -> str:
    return f"{check} || {{ printf '%s: {reason}\\n' {name} >&2; exit {code}; }}"


def _checked(env: Mapping[str, str]) -> list[tuple[str, str]]:
    for name in env:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"a shell cannot set a variable called {name!r}")
    return list(env.items())


def _text(word: str | bytes) -> str:
    return word if isinstance(word, str) else word.decode("utf-8", "surrogateescape")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a command, an argument or a variable cannot contain a NUL")
    return text


def _quoted(text: str) -> str:
    return shlex.quote(_without_nul(text))
