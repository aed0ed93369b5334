"""
The two programs that run on the agent: the bootstrap in the URL, and the control shell.
"""

from __future__ import annotations

import importlib.resources
import re
from functools import cache

import attrs

VERSION = 1  # of the protocol, in the greeting

_OWN = re.compile(r"\bca_[a-z0-9_]+")
_NONCE = re.compile(r"[A-Za-z0-9]{8,64}", re.ASCII)

# stty makes the terminal raw, a marker says so, and then the length of the program comes in seven
# digits, and the program. No builtin read takes it: bash reads ahead. head is fast; where it does
# not know -c, it takes nothing, and dd does it byte by byte. The program uses head, too, unless
# _ca_head is empty. All names are our own: one that the environment exports would reach the jobs.
_BOOTSTRAP = """\
#!/bin/sh
stty raw -echo 2>/dev/null||{ printf '%s NOSTTY\\n' NONCE;exit 1;}
printf '%s READY\\n' NONCE
_ca_n=$(dd bs=1 count=7 2>/dev/null)
_ca_n=${_ca_n#${_ca_n%%[1-9]*}}
_ca_text=$(head -c "$_ca_n" 2>/dev/null&&echo h||dd bs=1 count="$_ca_n" 2>/dev/null;echo x)
_ca_text=${_ca_text%x}
case $_ca_text in *h?)_ca_head=1;_ca_text=${_ca_text%h?};;*)_ca_head=;;esac
[ ${#_ca_text} = "$_ca_n" ]&&eval "$_ca_text"
"""


@attrs.frozen(kw_only=True)
class Limits:
    """
    What the control shell limits.

    Attributes:
        idle: seconds without a request after which it ends itself.
        keep_days: days after which the next start deletes the folder of a finished job.
        drain: seconds that the end of a job waits for a process that it left behind and that
            holds its output open.
        fast_polls: how often a request checks for output every few milliseconds before it waits
            for a tenth of a second and more.
    """

    idle: float = 60
    keep_days: int = 7
    drain: float = 0.3
    fast_polls: int = 20


def bootstrap(nonce: str) -> str:
    """
    Return the command for the URL: less than 900 bytes, with no secret.

    *nonce* is 8 to 64 letters and digits. It is seen in a list of processes and in the log of a
    proxy, so use another one for `program`.
    """
    return _BOOTSTRAP.replace("NONCE", _checked(nonce))


def program(nonce: str, limits: Limits | None = None) -> bytes:
    """
    Return what to send once the bootstrap is ready: seven digits with the length of the program, and the program.

    The program then sends an answer with the id 0, see `results.Greeting`. *nonce* is 8 to 64
    letters and digits, and begins each answer.
    """
    limits = limits or Limits()
    values = {
        "NONCE": _checked(nonce),
        "VERSION": f"{VERSION}",
        "IDLE": f"{round(limits.idle * 10)}",
        "KEEP": f"{limits.keep_days - 1}",
        "DRAIN": f"{limits.drain:g}",
        "FAST": f"{limits.fast_polls}",
    }
    text = re.sub("@([A-Z]+)@", lambda found: values[found[1]], _reduced())
    return f"{len(text):07}{text}".encode("ascii")


def reduced(source: str) -> str:
    """
    Return a shell program without its comments, indentation and empty lines, with short names.

    A comment is a whole line. No line of the program may begin within quotes with ``#`` or a
    space that matters. Names that begin with ``ca_`` become numbers.
    """
    lines = [line.strip() for line in source.splitlines()]
    text = "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))
    numbers = {name: f"ca{number}" for number, name in enumerate(sorted(set(_OWN.findall(text))))}
    return _OWN.sub(lambda found: numbers[found[0]], text)


@cache
def _reduced() -> str:
    file = importlib.resources.files("coder_agents.jobs") / "control_shell.sh"
    return reduced(file.read_text(encoding="ascii"))


def _checked(nonce: str) -> str:
    if _NONCE.fullmatch(nonce) is None:
        raise ValueError("a nonce is 8 to 64 letters and digits")
    return nonce
