"""
How the command of a terminal is started once, however often somebody attaches.

A deployment starts the command of a terminal again where it has ended and somebody attaches with
the same id. So what is requested is a small program, and never the command itself: the program makes a folder
of the terminal's id on the agent, which works once. Where that succeeds, it writes the id of its
process there, reports that in a marker, and becomes the command. Where the folder is there already,
the command has run and ended, and the program reports that.
"""

from __future__ import annotations

import re
import shlex
import uuid

import attrs

MAX_PROGRAM = 880
"""
Bytes that a program may have: an agent loses a part of those that have more than some 900.
"""

# A terminal passes on what it does not know; nothing else begins so.
_MARKER = "\x1b]7717;%s;"
_END_OF_MARKER = b"\x07"
_MAX_MARKER = 128

_STARTED = re.compile(rb"[0-9]+")

# Folders of last week go, unless their process lives. The first line lets the agent take /bin/sh.
_PROGRAM = r"""#!/bin/sh
b=${XDG_STATE_HOME:-$HOME/.local/state}/coder-agents/terminals i=ID
m(){ printf '\033]7717;%s;%s\007' $i $1;}
INSIDE(umask 077;mkdir -p "$b"
find "$b" -name pid -mtime +6|while read -r p;do kill -0 `cat "$p"`||rm -r "${p%/pid}";done
NEW) 2>/dev/null||{ [ -d "$b/$i" ]&&m ended||m none;exit;}
echo $$ >"$b/$i/pid"
m $$
exec "${SHELL:-/bin/sh}" COMMAND"""

_NEW = 'mkdir "$b/$i"'

# What runs on the agent's machine has the agent's token in its environment; a container has it not.
_INSIDE = '[ "$CODER_AGENT_TOKEN" ]&&{ m outside;exit;}\n'

_KILL = r"""#!/bin/sh
exec 2>/dev/null
m(){ printf '\033]7717;%s;%s\007' ID $1;}
p=`cat "${XDG_STATE_HOME:-$HOME/.local/state}/coder-agents/terminals/ID/pid"`||{ m none;exit;}
kill -HUP -$p
pkill -TERM -s $p||kill -TERM -$p
sleep 1
pkill -KILL -s $p
kill -KILL -$p
m killed
sleep 1"""


@attrs.frozen
class Beginning:
    """
    What the program has reported, and the output after it.

    Attributes:
        report: the process's number, ``ended``, ``none`` or ``outside``; empty where there is no report.
        output: the first output after the report.
    """

    report: bytes
    output: bytes

    @property
    def is_running(self) -> bool:
        """
        Whether the command runs: an output that does not begin with a report is that of one.
        """
        return not self.report or _STARTED.fullmatch(self.report) is not None

    @property
    def is_known(self) -> bool:
        """
        Whether the command runs, or did once.
        """
        return self.is_running or self.report == b"ended"

    @property
    def is_outside(self) -> bool:
        """
        Whether the program ran on the agent's machine and not in a container.
        """
        return self.report == b"outside"


def starting(reconnect_id: uuid.UUID, command: str, *, is_inside: bool = False) -> str:
    """
    Return the program that starts *command*, the login shell where that is empty, at most once.

    With *is_inside* it runs only in a container.

    Raises *ValueError* for a command that is too long, see `MAX_PROGRAM`, or that no process can have,
    *TypeError* for what is no text.
    """
    given: object = command
    if not isinstance(given, str):
        raise TypeError(
            f"command must be text, not {type(given).__name__}: shlex.join() makes text of a list"
        )
    if "\0" in command:
        raise ValueError("a command cannot contain a NUL")
    shell = f"-c {shlex.quote(command)}" if command else "-l"
    program = _program(_NEW, reconnect_id, is_inside=is_inside).replace("COMMAND", shell)
    excess = len(program.encode()) - MAX_PROGRAM
    if excess > 0:
        raise ValueError(
            f"the command of a terminal is {excess} bytes too long: put it into a file on the agent,"
            " or type it into the terminal"
        )
    return program


def attaching(reconnect_id: uuid.UUID, *, is_inside: bool = False) -> str:
    """
    Return the program that starts nothing, for a terminal that is there already.
    """
    return _program("false", reconnect_id, is_inside=is_inside)


def _program(new: str, reconnect_id: uuid.UUID, *, is_inside: bool) -> str:
    program = _PROGRAM.replace("NEW", new).replace("INSIDE", _INSIDE if is_inside else "")
    return program.replace("ID", str(reconnect_id))


def killing(reconnect_id: uuid.UUID) -> str:
    """
    Return the program that ends what runs in a terminal: HUP, TERM, and after a second KILL.

    It reports ``killed``, or ``none`` where it knows no such terminal. Then it waits: the last bytes
    before a process ends may be lost.
    """
    return _KILL.replace("ID", str(reconnect_id))


def beginning_of(output: bytes, reconnect_id: uuid.UUID) -> Beginning | None:
    """
    Return what *output*, all that came so far, begins with; None where more of it has to come.
    """
    marker = (_MARKER % reconnect_id).encode()
    if not output.startswith(marker[: len(output)]):
        return Beginning(b"", output)
    end = output.find(_END_OF_MARKER, 0, _MAX_MARKER)
    if end < 0:
        return None if len(output) < _MAX_MARKER else Beginning(b"", output)
    return Beginning(output[len(marker) : end], output[end + 1 :])


def report_in(output: bytes, reconnect_id: uuid.UUID) -> bytes | None:
    """
    Return the first report in *output*; None where there is no whole one.
    """
    marker = (_MARKER % reconnect_id).encode()
    _, _, after = output.partition(marker)
    report, end, _ = after.partition(_END_OF_MARKER)
    return report if end else None
