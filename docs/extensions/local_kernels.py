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
from nbclient import NotebookClient


def listen_in_file_system() -> None:
    """
    Let the kernels of all notebooks of this process listen in a new folder, where the system has such
    sockets.

    The folder is that of temporary files, because the path of a socket has at most 104 bytes.
    """
    if os.name != "posix":
        return
    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    atexit.register(folder.cleanup)
    create_kernel_manager = NotebookClient.create_kernel_manager

    def create(notebook: NotebookClient) -> KernelManager:
        manager = create_kernel_manager(notebook)
        manager.transport, manager.ip = "ipc", f"{folder.name}/{uuid.uuid4().hex}"
        return manager

    # Whoever executes the notebooks of a documentation passes no settings on.
    NotebookClient.create_kernel_manager = create  # type: ignore[method-assign, assignment]
