"""
Userlands that agents may have: busybox, toybox, and the commands of BSD systems.

No BSD system is needed: its commands are small scripts over those of this machine. Each accepts the
options that the manual pages of FreeBSD document and refuses all others, and behaves as the
sources of FreeBSD and NetBSD do where they differ from GNU.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

# The options of FreeBSD's manual pages, as getopts takes them.
_OPTIONS = {
    "base64": "dD",
    "cat": "belnstuv",
    "chmod": "fhvRHLP",
    "chown": "fhnvxRHLP",
    "cksum": "o:",
    "cp": "HLPRfialnpsvx",
    "head": "n:c:",
    "id": "AGMPacdgnpru",
    "ls": "ABCFGHILPRSTUWZabcdfghiklmnopqrstuwxy1,D:",
    "mkdir": "pvm:",
    "mkfifo": "m:",
    "mv": "finhv",
    "readlink": "fn",
    "rm": "dfiIPRrvWx",
    "rmdir": "pv",
    "sed": "Ealnrui:e:f:",
    "stty": "aegf:",
    "uname": "abiKmnoprsUv",
    "xargs": "0E:I:J:L:n:oP:pR:S:rs:tx",
}

_CHECKED = """\
#!/bin/sh
# {name}, with the options that FreeBSD documents
POSIXLY_CORRECT=1
export POSIXLY_CORRECT
while getopts {options} option 2>/dev/null; do
    [ "$option" != '?' ] || {{ echo "{name}: illegal option" >&2; exit 64; }}
done
"""

# Files one by one: of a link that leads nowhere -L reports the link itself.
_STAT = """\
follow=
while getopts FLnqf:lrsxt: option 2>/dev/null; do
    case $option in
    L) follow=-L ;;
    f) format=$OPTARG ;;
    *) echo 'stat: illegal option' >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
code=0
for file; do
    way=
    [ ! "$follow" ] || [ ! -e "$file" ] || way=-L
    line=$(STAT $way -c '%f %s %Y %Z %u %g %i %.9Y %.9Z' -- "$file") || { code=1; continue; }
    set -- $line
    case $format in
    %m) echo "$3" ;;
    %z) echo "$2" ;;
    'B %p %z %m %c %u %g %i %Fm %Fc')
        echo "B $(printf %o "0x$1") $2 $3 $4 $5 $6 $7 $8 $9" ;;
    *) echo "stat: unknown format" >&2; exit 64 ;;
    esac
done
exit $code
"""

# NetBSD's ends as soon as it has read that there is nothing to copy, and has skipped nothing.
_DD = """\
#!/bin/sh
for operand; do
    case $operand in
    count=0) exit 0 ;;
    bs=* | count=* | if=* | of=* | skip=* | seek=* | conv=* | ibs=* | obs=*) ;;
    *) echo "dd: unknown operand $operand" >&2; exit 1 ;;
    esac
done
"""

# macOS marks files with extended attributes.
_LS = """\
found=$(LS "$@"; printf x$?)
printf %s "${found%x*}" | sed 's/^\\([-dlpscb][-rwxsStT]\\{9\\}\\) /\\1@ /'
exit ${found##*x}
"""

_FIND = """\
#!/bin/sh
for word; do
    case $word in
    -printf | -regextype | -delete | --*) echo "find: $word: unknown primary" >&2; exit 1 ;;
    esac
done
"""


def install(folder: Path, userland: str) -> str:
    """
    Fill *folder* with the commands of *userland*; return the PATH of an agent that has it.
    """
    if userland == "busybox":
        subprocess.run([_found("busybox"), "--install", "-s", str(folder)], check=True)
    elif userland == "toybox":
        listed = subprocess.run([_found("toybox")], capture_output=True, text=True, check=True)
        for name in set(listed.stdout.split()) - {"sh", "["}:
            (folder / name).symlink_to(_found("toybox"))
    elif userland == "bsd":
        _install_bsd(folder)
        return str(folder)
    return f"{folder}:{os.environ['PATH']}"


def _install_bsd(folder: Path) -> None:
    for name, options in _OPTIONS.items():
        _write(folder, name, _CHECKED.format(name=name, options=options) + _exec(name))
    checked = _CHECKED.format(name="ls", options=_OPTIONS["ls"])
    _write(folder, "ls", checked + _LS.replace("LS", shlex.quote(_found("ls")), 1))
    _write(folder, "base64", _CHECKED.format(name="base64", options="D") + _exec("base64", "-d"))
    _write(folder, "stat", "#!/bin/sh\n" + _STAT.replace("STAT", shlex.quote(_found("stat")), 1))
    _write(folder, "dd", _DD + _exec("dd"))
    _write(folder, "find", _FIND + _exec("find"))
    awk = shutil.which("original-awk")
    if awk is not None:
        (folder / "awk").symlink_to(awk)
    _link_others(folder)


def _link_others(folder: Path) -> None:
    """
    Link every other command, but for setsid: no BSD has it, and perl or python3 does its work.
    """
    present = {path.name for path in folder.iterdir()} | {"setsid"}
    for place in os.get_exec_path():
        for name in set(os.listdir(place) if os.path.isdir(place) else ()) - present:
            (folder / name).symlink_to(os.path.join(place, name))
            present.add(name)


def _exec(name: str, *words: str) -> str:
    return f"exec {shlex.join([_found(name), *words])} " + ("" if words else '"$@"') + "\n"


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def _found(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, name
    return os.path.abspath(path)
