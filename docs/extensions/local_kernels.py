"""
Kernels of notebooks that listen at sockets in the file system.

Jupyter finds free TCP ports, and the kernel opens them a moment later. On a busy machine another program
may have taken one of them meanwhile.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import uuid

from jupyter_client.manager import KernelManager


def listen_in_file_system() -> None:
    """
    Let all kernels of this process listen in a new folder, where the system has such sockets.

    The folder is that of temporary files, because the path of a socket has at most 104 bytes.
    """
    if os.name != "posix":
        return
    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    atexit.register(folder.cleanup)
    # Whoever makes these managers passes no settings on.
    KernelManager.transport.default_value = "ipc"
    KernelManager._ip_default = lambda _: f"{folder.name}/{uuid.uuid4().hex}"  # type: ignore[method-assign, assignment]
