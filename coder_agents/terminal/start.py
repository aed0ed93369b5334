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
(umask 077;mkdir -p "$b"
find "$b" -name pid -mtime +6|while read -r p;do kill -0 `cat "$p"`||rm -r "${p%/pid}";done
NEW) 2>/dev/null||{ [ -d "$b/$i" ]&&m ended||m none;exit;}
echo $$ >"$b/$i/pid"
m $$
exec "${SHELL:-/bin/sh}" COMMAND"""

_NEW = 'mkdir "$b/$i"'

_KILL = r"""#!/bin/sh
p=`cat "${XDG_STATE_HOME:-$HOME/.local/state}/coder-agents/terminals/ID/pid"`||exit
kill -HUP -$p;kill -TERM -$p;sleep 1;kill -KILL -$p"""


@attrs.frozen
class Beginning:
    """
    What the program has reported, and the output after it.

    Attributes:
        is_running: whether the command runs.
        is_known: whether it ever did.
        output: the first output after the report.
    """

    is_running: bool
    is_known: bool
    output: bytes


def starting(reconnect_id: uuid.UUID, command: str) -> str:
    """
    Return the program that starts *command*, the login shell where that is empty, at most once.

    Raises *ValueError* for a command that is too long: see `MAX_PROGRAM`.
    """
    shell = f"-c {shlex.quote(command)}" if command else "-l"
    program = _PROGRAM.replace("NEW", _NEW).replace("ID", str(reconnect_id))
    program = program.replace("COMMAND", shell)
    excess = len(program.encode()) - MAX_PROGRAM
    if excess > 0:
        raise ValueError(
            f"the command of a terminal is {excess} bytes too long: put it into a file on the agent,"
            " or type it into the terminal"
        )
    return program


def attaching(reconnect_id: uuid.UUID) -> str:
    """
    Return the program that starts nothing, for a terminal that is there already.
    """
    return _PROGRAM.replace("NEW", "false").replace("ID", str(reconnect_id))


def killing(reconnect_id: uuid.UUID) -> str:
    """
    Return the program that ends what runs in a terminal: HUP, TERM, and after a second KILL.
    """
    return _KILL.replace("ID", str(reconnect_id))


def beginning_of(output: bytes, reconnect_id: uuid.UUID) -> Beginning | None:
    """
    Return what *output*, all that came so far, begins with; None where more of it has to come.

    An output that does not begin with a report is that of a command that runs.
    """
    marker = (_MARKER % reconnect_id).encode()
    if not output.startswith(marker[: len(output)]):
        return Beginning(is_running=True, is_known=True, output=output)
    end = output.find(_END_OF_MARKER, 0, _MAX_MARKER)
    if end < 0:
        return None if len(output) < _MAX_MARKER else Beginning(True, True, output)
    report, rest = output[len(marker) : end], output[end + 1 :]
    is_running = _STARTED.fullmatch(report) is not None
    return Beginning(is_running=is_running, is_known=report != b"none", output=rest)
