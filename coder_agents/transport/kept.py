"""
The connections that a client keeps open for the checks of its streams.

A request over an open connection costs a tenth of a request with a dial.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import h11

from coder_agents.transport.connection import Connection
from coder_agents.transport.exchange import Exchange, request_of
from coder_agents.transport.waiting import ClosedError, DroppedError

if TYPE_CHECKING:
    from coder_agents.transport.http import HTTP, Params

HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "Connection": "keep-alive",
}
"""
The headers of each request over a kept connection, in addition to the client's.
"""


class KeptConnection:
    """
    One connection and its owner.

    The owner is a token that one call of a dict sets and one call removes, so neither a signal
    handler nor a fork can see a half-finished change.

    Attributes:
        connection: the socket.
        exchange: the HTTP exchange over the socket.
        was_used: whether a request was answered over the connection before.
        idle_since: when that request was answered, by `time.monotonic`.
        is_kept: whether the connection may be lent again.
    """

    def __init__(self, owner: object, *, is_kept: bool) -> None:
        self.connection = Connection()
        self.exchange = Exchange(self.connection)
        self.was_used = False
        self.idle_since = 0.0
        self.is_kept = is_kept
        self._owner = {0: owner}
        self._prefix = ""
        self._headers: Any = None

    def claim(self, owner: object) -> bool:
        """
        Lend the connection to *owner*; return False where it has an owner.
        """
        return self._owner.setdefault(0, owner) is owner

    @property
    def owner(self) -> object:
        """
        The owner of the connection; None while it is idle.
        """
        return self._owner.get(0)

    def release(self) -> None:
        """
        Take the connection back from its owner, whose answer was read completely.
        """
        self.exchange.next_cycle()
        self.was_used = True
        self.idle_since = time.monotonic()
        self.unclaim()

    def unclaim(self) -> None:
        """
        Remove the owner.
        """
        self._owner.clear()

    def is_quiet(self) -> bool:
        """
        Whether the connection is open, and no bytes came without a request.
        """
        try:
            return self.connection.receive_now() is None
        except (ClosedError, DroppedError):
            return False

    def dial(self, http: HTTP, timeout: float) -> None:
        """
        Connect within *timeout* seconds in all.
        """
        http.check_surroundings()
        request = http.prepare("", (), HEADERS)
        self.connection.dial(http.pool_for(request), request, timeout)
        if http.owns_session:  # the client's own session sends all requests alike
            self._prefix = request.path_url
            self._headers = request_of(request).headers

    def send(self, http: HTTP, path: str, params: Params) -> None:
        """
        Send a GET of *path*.
        """
        if self._headers is None:
            request = request_of(http.prepare(path, params, HEADERS))
        else:
            query = f"?{urlencode(params)}" if params else ""
            target = f"{self._prefix}{path}{query}"
            request = h11.Request(method="GET", target=target, headers=self._headers)
        self.exchange.send(request)


class KeptConnections:
    """
    The connections that a client keeps open, each lent to one request at a time.

    Any thread may use them. No lock exists that a signal handler or a fork could find held: each
    place for a connection is a dict, filled by one call and emptied by one call.

    Args:
        http: the deployment.
        limit: the most connections, lent ones included.
    """

    def __init__(self, http: HTTP, limit: int = 8) -> None:
        self._http = weakref.ref(http)  # weak: the deployment's HTTP object refers to this one
        self._places: list[dict[int, KeptConnection]] = [{} for _ in range(limit)]
        self._closed = False
        weakref.finalize(self, _free_all, self._places)

    @property
    def http(self) -> HTTP:
        """
        The deployment.
        """
        http = self._http()
        if http is None:
            raise RuntimeError("the client of these connections no longer exists")
        return http

    def take(self, owner: object, *, new: bool = False) -> KeptConnection | None:
        """
        Lend *owner* the idle connection that was used last, or one that is not dialled yet; None
        where all are lent. With *new*, the connection is not dialled yet.
        """
        kept = None if new else self._claim_idle(owner)
        if kept is not None:
            return kept
        kept = KeptConnection(owner, is_kept=not self._closed)
        if not kept.is_kept:
            return kept
        for place in self._places:
            if place.setdefault(0, kept) is kept:
                return kept
        return None

    def would_dial(self, owner: object, *, new: bool = False) -> bool:
        """
        Whether `take` would give *owner* a connection that is not dialled yet.
        """
        kept = None if new else self._claim_idle(owner)
        if kept is not None:
            kept.unclaim()
            self._discard_if_closed(kept)
            return False
        return self._closed or not all(self._places)

    def _claim_idle(self, owner: object) -> KeptConnection | None:
        """
        Lend *owner* an idle connection, if possible the one that was used last; None where none is
        idle.
        """
        idle = [kept for kept in self._all() if kept.owner is None]
        for kept in sorted(idle, key=lambda kept: kept.idle_since, reverse=True):
            if not kept.claim(owner):
                continue
            if kept.is_quiet():
                return kept
            self.discard(kept)
        return None

    def _all(self) -> list[KeptConnection]:
        return [kept for place in self._places for kept in list(place.values())]

    def give_back(self, kept: KeptConnection) -> None:
        """
        Take back *kept*, whose last answer was read completely.
        """
        if kept.is_kept and kept.exchange.reusable:
            kept.release()
            self._discard_if_closed(kept)
        else:
            self.discard(kept)

    def _discard_if_closed(self, kept: KeptConnection) -> None:
        if self._closed and kept.claim(self):  # the client was closed while the connection was lent
            self.discard(kept)

    def discard(self, kept: KeptConnection) -> None:
        """
        Close *kept*, over which no other request may be sent.
        """
        kept.connection.free()
        for place in self._places:
            if place.get(0) is kept:
                place.clear()

    def discard_of(self, owner: object) -> None:
        """
        Close the connections lent to *owner*, also one that an interrupt kept *owner* from
        recording.
        """
        for kept in self._all():
            if kept.owner is owner:
                self.discard(kept)

    def close(self) -> None:
        """
        Close idle connections and wake lent ones. Later requests dial connections that are not
        kept.
        """
        self._closed = True
        for kept in self._all():
            if kept.claim(self):
                self.discard(kept)
            else:
                kept.connection.wake()

    def after_fork_in_child(self) -> None:
        """
        Forget all connections: they belong to the parent process.
        """
        for place in self._places:
            for kept in list(place.values()):
                kept.connection.after_fork_in_child()
            place.clear()


def _free_all(places: list[dict[int, KeptConnection]]) -> None:
    for place in places:
        for kept in list(place.values()):
            kept.connection.free()
