r"""
What a client and the control shell on an agent say to each other, and the classes that encode it.

No module that is imported here does any input or output.

**The terminal.** The client opens a terminal with `program.bootstrap` as its command, waits for
the marker (`ReadyReader`), and sends `program.program`. The program answers with a greeting: an
answer with the id 0, see `Greeting`. All later bytes in either direction are requests and answers.

**A request** is one line of ASCII words with one space between them, that ends in `` ;\n``::

    ID OPERATION REPEATED WORD... ;

*ID* is a number above 0 that the answer repeats. *REPEATED* is 1 where the request may have been
executed before. A word with any bytes is ``=`` and a format of printf: each byte that is not a
letter, a digit or one of ``/._+:,@=`` is a backslash and three octal digits. A payload is ``p
=FORMAT``, or, where the greeting has ``base64``, ``b LENGTH`` and after the line's newline exactly
*LENGTH* bytes of base64 in one line, its newline included. **After a request with a payload
nothing may be sent before its answer**, since a program of the agent may read ahead. After another
request the next one may be sent at any time: it ends the wait of `Read`, which is answered first.

**An answer** is a header and a body::

    NONCE ID STATUS LENGTH WORD...\n        and exactly LENGTH bytes

``OK``; ``ERR``, with a reason as its body (`error_of`); ``MORE``, which another answer with the
same id follows. The answers come in the order of the requests.

==========  ======================================================  ==============================
operation   words                                                   words of the answer; body
==========  ======================================================  ==============================
(greeting)                                                          VERSION PID CAPABILITY,...;
                                                                    why jobs cannot be started
NOP
QUIT
INFO                                                                lines NAME=VALUE
INSIDE      =CONTAINER                                              lines NAME=VALUE
START       JOB =CWD STDIN STDOUT STDERR TIMEOUT GRACE WAIT MAX     as READ
            then ``p =RUN =COMMAND`` or ``b LENGTH RUNLENGTH``
READ        JOB OFFSET1 OFFSET2 MAX WAIT                            STATE CODE PID SIZE1 SIZE2
                                                                    SPLIT FLAG,...; piece of
                                                                    stdout, from SPLIT of stderr
WRITE       JOB OFFSET SIZE END and a payload                       size of the spooled input
SIGNAL      JOB NUMBER TOKEN                                        1 sent, 0 ended or known
LIST                                                                each job one ``MORE``: JOB
                                                                    STATE CODE PID STARTED SIZE1
                                                                    SIZE2; command. Then ``OK``
REMOVE      JOB LATER
STAT        =PATH FOLLOW                                            a line, see `FileInfo.parse`
DIR         =PATH                                                   COUNT; so many such lines, and
                                                                    then the names, each ``./NAME/``
GET         =PATH OFFSET MAX                                        size of the file; piece
PUT         =PATH OFFSET SIZE and a payload                         size of the file
REPLACE     =PATH =TEMPORARY CHECKSUM SIZE MODE
CKSUM       =PATH                                                   CHECKSUM SIZE
MKDIR       =PATH PARENTS
RM          =PATH RECURSIVE
MV, CP      =PATH =TARGET
==========  ======================================================  ==============================

WAIT is in tenths of a second, TIMEOUT and GRACE are in seconds, MODE is octal or ``-``. FLAG is
``timeout``, ``cut1``, ``cut2``, ``shrunk``, or ``-`` where there is none.

**Each request can be repeated**, over another control shell, as often as no answer came: a job
starts once for its id, pieces have offsets, and with *REPEATED* a directory that is there, a
path that is gone, and a file that has been moved are no errors. So whatever happens to the
terminal (it drops, stalls, never attaches, loses its end), the remedy is a new terminal and the
same request.

**A job** is a folder below ``${XDG_STATE_HOME:-$HOME/.local/state}/coder-agents/jobs``, or below
``/tmp/coder-agents-UID`` where that cannot be written. Folders have the mode 0700. The process is
the leader of a session and a group of its own, without a terminal. Each output is a pipe that is
spooled, so that what the job does with ``/dev/stdout`` is harmless. The end is the name of a file
(``exit.7``, ``signal.9``), which a full disk does not prevent. A process that the job leaves
behind delays the end by `Limits.drain` at most, and its later output can still be read.

**A spare supervisor** waits for the next job once a job was removed, in a folder whose name begins
with ``.spare-``. It ends, and its folder is deleted, together with its control shell.

What is not exact: where an agent has no awk that reports signals, as with busybox alone, the exit
codes 130 and 141 are reported as deaths by SIGINT and SIGPIPE, and with bash as its ``sh`` all
from 129 to 192 as deaths by signal. Where it has no mkfifo, a job that opens ``/dev/stdout`` by
name cuts its own output, as it does with any file. After `Remove` the same id would start again.
"""

from __future__ import annotations

from coder_agents.errors.control_shell import ControlShellError
from coder_agents.jobs.answers import Answer, AnswerReader, ReadyReader
from coder_agents.jobs.checksum import Checksum
from coder_agents.jobs.file_requests import (
    CopyFile,
    GetChecksum,
    GetPiece,
    ListDirectory,
    MakeDirectory,
    Move,
    PutPiece,
    RemovePath,
    ReplaceFile,
    Stat,
)
from coder_agents.jobs.piece_size import MAX_PIECE
from coder_agents.jobs.requests import (
    Info,
    Inside,
    ListJobs,
    Nop,
    Prevent,
    Quit,
    Read,
    Remove,
    Request,
    Signal,
    Start,
    WriteInput,
)
from coder_agents.jobs.results import (
    FileInfo,
    Greeting,
    JobRecord,
    Piece,
    Progress,
    error_of,
    facts_of,
    numbers_of,
    read_entries,
    read_jobs,
    text_of,
)
from coder_agents.jobs.run_text import Command, command_text, run_text

__all__ = [
    "MAX_PIECE",
    "Answer",
    "AnswerReader",
    "Checksum",
    "Command",
    "ControlShellError",
    "CopyFile",
    "FileInfo",
    "GetChecksum",
    "GetPiece",
    "Greeting",
    "Info",
    "Inside",
    "JobRecord",
    "ListDirectory",
    "ListJobs",
    "MakeDirectory",
    "Move",
    "Nop",
    "Piece",
    "Prevent",
    "Progress",
    "PutPiece",
    "Quit",
    "Read",
    "ReadyReader",
    "Remove",
    "RemovePath",
    "ReplaceFile",
    "Request",
    "Signal",
    "Start",
    "Stat",
    "WriteInput",
    "command_text",
    "error_of",
    "facts_of",
    "numbers_of",
    "read_entries",
    "read_jobs",
    "run_text",
    "text_of",
]
