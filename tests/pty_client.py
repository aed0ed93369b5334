"""
A client of the terminal route that is not ours: websocket-client and nothing else.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import websocket

from coder_agents.testing import Deployment, EmbeddedAgent

API = "/api/v2"
SECONDS = 20.0  # that nothing may take

RAW = "stty raw -echo; printf READY; "
"""
The beginning of a command whose output and input are not changed by its terminal from ``READY`` on.
"""


class PtyClient:
    """
    One connection to a terminal.

    Attributes:
        output: all that came so far.
        end: None while it is open, else the close code, or ``drop``.
    """

    def __init__(
        self,
        deployment: Deployment,
        agent: EmbeddedAgent,
        command: str = "",
        reconnect: uuid.UUID | None = None,
        *,
        header: Any = None,
        sockopt: Any = (),
        **query: Any,
    ) -> None:
        self.reconnect = reconnect or uuid.uuid4()
        fields = {"reconnect": self.reconnect, "height": 24, "width": 80, "command": command}
        path = f"{API}/workspaceagents/{agent.id}/pty?{urlencode({**fields, **query})}"
        self.socket = websocket.create_connection(
            deployment.url.replace("http", "ws", 1) + path,
            header=header or {"Coder-Session-Token": deployment.token},
            timeout=SECONDS,
            sockopt=sockopt,
            sslopt={"ca_certs": str(deployment.ca_file)} if deployment.ca_file else None,
        )
        self.output = bytearray()
        self.messages: list[bytes] = []
        self.end: int | str | None = None
        self.reason = ""

    def read(self) -> bool:
        """
        Read one message: whether there was one.
        """
        try:
            opcode, data = self.socket.recv_data()
        except (websocket.WebSocketConnectionClosedException, ConnectionResetError):
            self.end = "drop"
            return False
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.end, self.reason = int.from_bytes(data[:2]), data[2:].decode()
            return False
        assert opcode == websocket.ABNF.OPCODE_BINARY
        self.messages.append(data)
        self.output += data
        return True

    def read_until(self, wanted: bytes) -> bytes:
        """
        Read until *wanted* has come, and return all that came so far.
        """
        while wanted not in self.output:
            assert self.read(), (wanted, bytes(self.output[-200:]), self.end)
        return bytes(self.output)

    def read_all(self) -> bytes:
        """
        Read to the end.
        """
        while self.read():
            pass
        return bytes(self.output)

    def read_unanswered(self) -> None:
        """
        Read output to the close frame, and answer no ping: an answer after the end would be refused
        with a reset, which drops what was not read yet.
        """
        while (frame := self.socket.recv_frame()).opcode != websocket.ABNF.OPCODE_CLOSE:  # type: ignore[no-untyped-call]
            if frame.opcode == websocket.ABNF.OPCODE_BINARY:
                self.output += frame.data
        self.end, self.reason = int.from_bytes(frame.data[:2]), frame.data[2:].decode()

    def send(self, data: str = "", **fields: Any) -> None:
        """
        Send input in one frame.
        """
        document = {"data": data} if data else {}
        self.socket.send_binary(json.dumps({**document, **fields}).encode())

    def close(self) -> None:
        """
        Leave, without a word.
        """
        self.socket.shutdown()  # type: ignore[no-untyped-call]


def wait_until(condition: Callable[[], Any]) -> None:
    """
    Wait until *condition* holds.
    """
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.005)


def is_running(pid: int) -> bool:
    """
    Whether there is a process that is no zombie.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


Open = Callable[..., PtyClient]
"""
Opens a terminal, with the arguments of `PtyClient`.
"""
