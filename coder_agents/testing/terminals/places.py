"""
Where a command runs: on the host, in a container, or on a machine without a POSIX shell.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from coder_agents.schema import WorkspaceAgentContainer
from coder_agents.testing.machine import Machine
from coder_agents.testing.terminals.launch import Launch, arguments, inherited

TERM = "xterm-256color"
CONTAINER_SHELL = "/bin/sh"
HOST_NAME_LENGTH = 12  # of a container's id, which is its host's name

# What PowerShell writes to a command that it does not know, and as a login shell.
CLEARED = "\x1b[2J\x1b[m\x1b[H"
BANNER = (
    f"{CLEARED}Windows PowerShell\r\nCopyright (C) Microsoft Corporation. All rights reserved.\r\n"
    "\r\nPS C:\\Users\\coder> "
)
UNKNOWN = (
    "{cleared}{name} : The term '{name}' is not recognized as the name of a cmdlet, function, "
    "script file, or operable \r\nprogram. Check the spelling of the name, or if a path was "
    "included, verify that the path is correct and try again.\r\nAt line:1 char:1\r\n+ {line}\r\n"
    "    + CategoryInfo          : ObjectNotFound: ({name}:String) [], CommandNotFoundException\r\n"
    "    + FullyQualifiedErrorId : CommandNotFoundException\r\n \r\n"
)
PLAY = 'stty raw -echo; printf %s "$1"'
PLAY_AND_IGNORE = f"{PLAY}; exec cat >/dev/null"


def on_host(command: str, machine: Machine, home: Path, variables: Mapping[str, str]) -> Launch:
    """
    *command* as the agent runs it on its machine; *variables* go before all others but TERM.
    """
    directory = machine.directory
    folder = home if directory is None or not directory.is_dir() else directory
    environment = {
        **inherited(),
        "HOME": str(home),
        "SHELL": machine.shell,
        **machine.environment,
        **variables,
        "PWD": str(folder),
        "TERM": TERM,
    }
    return Launch(command, arguments(command, machine.shell), environment, folder)


def in_container(
    command: str,
    container: WorkspaceAgentContainer,
    user: str,
    folder: Path,
    variables: Mapping[str, str],
) -> Launch:
    """
    *command* as the agent runs it in *container*, played by a process on this machine.

    Its environment is the container's own: another home, no token of the agent, and the name of
    the container as that of its host, in ``HOSTNAME`` and by ``hostname`` and ``uname -n``.

    Arguments:
        command: the command.
        container: the container.
        user: of the container; empty for root.
        folder: where the containers of the agent have their files.
        variables: besides.
    """
    name = container.id[:HOST_NAME_LENGTH] or container.name
    home, programs = folder / name / "home", folder / name / "bin"
    home.mkdir(parents=True, exist_ok=True)
    programs.mkdir(exist_ok=True)
    _write_script(programs / "hostname", f"echo {name}")
    system = shlex.quote(shutil.which("uname") or "uname")
    _write_script(programs / "uname", f'[ "$*" = -n ] && exec echo {name}\nexec {system} "$@"')
    environment = {
        **inherited(),
        **variables,
        "HOME": str(home),
        "HOSTNAME": name,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PWD": str(home),
        "SHELL": CONTAINER_SHELL,
        "TERM": TERM,
        "USER": user or "root",
    }
    return Launch(command, arguments(command, CONTAINER_SHELL), environment, home)


def _write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def on_windows(command: str, home: Path, variables: Mapping[str, str]) -> Launch:
    """
    What PowerShell answers to *command*: that it does not know the first word of it.

    As a login shell it writes its prompt, and this one ignores what is typed. There is no program
    of the first line of a POSIX script.
    """
    if command.strip().startswith("#!"):
        raise FileNotFoundError(command.strip().split("\n", 1)[0])
    name, *_ = [*command.replace(";", " ").split(), ""]
    line, *_ = command.strip().split("\n", 1)
    text = UNKNOWN.format(cleared=CLEARED, name=name, line=line) if name else BANNER
    script = PLAY if name else PLAY_AND_IGNORE
    environment = {**inherited(), **variables, "TERM": TERM}
    return Launch(command, ("/bin/sh", "-c", script, "powershell", text), environment, home)
