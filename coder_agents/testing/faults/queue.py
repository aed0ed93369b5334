"""
The faults of one deployment, waiting for their connections.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from typing import Any

from coder_agents.testing.connection import ServerConnection
from coder_agents.testing.faults.answers import Html, NotConnected, Redirect, Refuse
from coder_agents.testing.faults.endings import (
    BrokenTLS,
    Close,
    Drop,
    ErrorEvent,
    Reset,
    RollingRestart,
    Silence,
)
from coder_agents.testing.faults.fault import Fault
from coder_agents.testing.faults.messages import (
    Cut,
    InvalidJson,
    InvalidUtf8,
    Oversize,
    Replace,
    Split,
)
from coder_agents.testing.faults.pace import Delay, Drip, Unchunked
from coder_agents.testing.faults.terminals import (
    IgnoredContainer,
    LostCommand,
    LostTail,
    NeverAttached,
    SlowReader,
    Stall,
    Vanish,
)
from coder_agents.testing.http import ServerRequest

# The route of a connection before its first request.
CONNECTION = "connection"

TERMINAL = "pty"
BYTES = ("after_bytes", "after_input_bytes")

KINDS: Mapping[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        Close,
        Cut,
        Delay,
        Drip,
        Drop,
        ErrorEvent,
        Html,
        IgnoredContainer,
        InvalidJson,
        InvalidUtf8,
        LostCommand,
        LostTail,
        NeverAttached,
        NotConnected,
        Oversize,
        Redirect,
        Refuse,
        Replace,
        Reset,
        RollingRestart,
        Silence,
        SlowReader,
        Split,
        Stall,
        BrokenTLS,
        Unchunked,
        Vanish,
    )
}


class Faults:
    """
    The faults of one deployment.
    """

    def __init__(self, protocols: Mapping[str, str], *, tls: bool = False, seed: int = 0) -> None:
        self._protocols = {**protocols, CONNECTION: CONNECTION}
        self._tls = tls
        self._seed = seed
        self._added = 0
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        *,
        route: str,
        after: int = 0,
        times: int | None = 1,
        **options: Any,
    ) -> Fault:
        """
        Add a fault of *kind* that waits on *route*.

        Arguments:
            kind: a key of `KINDS`; each class there documents its *options*.
            route: a route's name, such as ``logs_follow``; ``connection`` for a new connection of
                any use, before TLS.
            after: how many messages a connection gets before the fault strikes.
            times: how many connections it strikes; None for all from now on.
            options: the options of the kind. Each kind accepts ``kept=True``, for a fault that
                strikes only requests on a connection that has served another before, and
                ``containing="text"``, for a fault that strikes only requests with that text in path
                and query. On the route ``pty`` each kind accepts ``after_bytes`` or
                ``after_input_bytes`` in place of *after*: a number of bytes of output or input, or
                a range to draw the number from for each connection.

        Returns:
            The fault, which counts its strikes and can release held connections.

        Raises:
            ValueError: the kind or the route is unknown, or the route does not support the
                kind.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}, not {kind!r}")
        if route not in self._protocols:
            raise ValueError(f"route must be one of {', '.join(self._protocols)}, not {route!r}")
        if (protocol := self._protocols[route]) not in KINDS[kind].protocols:
            raise ValueError(f"{kind} does not support the route {route}, which is {protocol}")
        if KINDS[kind].needs_tls and not self._tls:
            raise ValueError(f"{kind} needs a deployment with TLS")
        if route == CONNECTION and (after or options.get("kept")):
            raise ValueError("for the route connection, after must be 0 and kept False")
        if after < 0 or (times is not None and times < 0):
            raise ValueError("after and times must not be negative")
        places = _places(options)
        if places and (after or len(places) > 1):
            raise ValueError(f"only one of after, {' and '.join(BYTES)} can be given")
        if places and route != TERMINAL:
            raise ValueError(f"{places[0]} needs the route {TERMINAL}, not {route}")
        if KINDS[kind].routes and route not in KINDS[kind].routes:
            raise ValueError(f"{kind} needs the route {TERMINAL}, not {route}")
        with self._lock:
            chance = random.Random(f"{self._seed}/{self._added}")
            fault = KINDS[kind](route=route, after=after, times=times, random=chance, **options)
            self._added += 1
            self._waiting.append(fault)
        return fault

    def accept(self, connection: ServerConnection) -> None:
        """
        Run the faults that wait for a connection on a new *connection*.
        """
        for fault in self.claim(CONNECTION):
            fault.on_accept(connection)

    def clear(self) -> None:
        """
        Remove every fault, and release the connections that they hold.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for fault in waiting:
            fault.release()

    def claim(
        self, route: str, *, kept: bool = False, request: ServerRequest | None = None
    ) -> list[Fault]:
        """
        Return the faults that the next connection of *route* meets.

        *kept* is whether the connection has served another request before *request*.
        """
        met: list[Fault] = []
        with self._lock:
            for fault in self._waiting:
                alone = any(not other.combines for other in met)
                if (fault.combines or not alone) and fault.claim(route, kept=kept, request=request):
                    met.append(fault)
        return met


def _places(options: Mapping[str, Any]) -> list[str]:
    """
    The names of those *options* that are a number of bytes.

    Raises:
        ValueError: a number is negative, or there is none.
    """
    given = [name for name in BYTES if options.get(name) is not None]
    for name in given:
        value = options[name]
        least = min(value, default=-1) if isinstance(value, range) else value
        if least < 0:
            raise ValueError(f"{name} must be a number of bytes or a range of them")
    return given
