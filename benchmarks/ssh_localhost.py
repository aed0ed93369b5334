"""
An SSH server of its own on a loopback port, with a temporary key, as something to compare with.
"""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS_TO_START = 10.0

SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
"""


class SkippedError(Exception):
    """
    There is no SSH here; the text says why.
    """


@contextlib.contextmanager
def ssh_runner() -> Iterator[Callable[[], object]]:
    """
    Yield what runs ``true`` through ``ssh localhost``. Raises *SkippedError* where that cannot be done.
    """
    programs = [shutil.which(name) for name in ("sshd", "ssh", "ssh-keygen")]
    server = programs[0] or shutil.which("sshd", path="/usr/sbin")
    if server is None or None in programs[1:]:
        raise SkippedError("no SSH server is installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for key in ("host", "client"):
            arguments = ["-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(["ssh-keygen", *arguments], check=True)
        port = _free_port()
        (folder / "config").write_text(SERVER.format(port=port, folder=folder), encoding="utf-8")
        # The server insists on this directory where it gives up the rights of root.
        with contextlib.suppress(OSError):
            Path("/run/sshd").mkdir(exist_ok=True)
        process = subprocess.Popen(
            [server, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE
        )
        try:
            _await(port, process)
            yield lambda: subprocess.run(_command(folder, port), check=True, capture_output=True)
        finally:
            process.terminate()
            process.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SkippedError("the SSH server does not start")


def _command(folder: Path, port: int) -> list[str]:
    options = {
        "Port": str(port),
        "IdentityFile": f"{folder}/client",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f"{folder}/known",
        "StrictHostKeyChecking": "accept-new",
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *words, f"{getpass.getuser()}@localhost", "true"]
