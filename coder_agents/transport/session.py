"""
What is done with a session, one of ours or one that a user handed in, beside sending requests.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import requests

from coder_agents.transport import fork

Hooks = dict[str, list[Callable[..., Any]]]


def hooks_without_cookies(session: requests.Session) -> Hooks:
    """
    Return the hooks of a request through *session* whose answer leaves the session's jar as it is.

    The session's own hooks are among them, as a request's hooks take their place. An
    authentication of the session adds its hooks before these.
    """
    own = session.hooks.get("response") or []
    return {"response": [*([own] if callable(own) else own), _take_cookies]}


def _take_cookies(response: requests.Response, **options: Any) -> None:
    """
    Take away from *response*, once it is read, what requests takes cookies from.
    """
    # An authentication that needed two requests has its first answer in the history.
    for each in (*response.history, response):
        _ = each.content
        each.raw = None


def abandon(session: requests.Session) -> None:
    """
    Close the numbers of the sockets that *session* keeps, in a forked process.

    No lock of its pools is used, as another thread may have held it; what closes them later finds
    new locks, and no socket. An adapter of another kind than requests' own is left as it is.
    """
    for adapter in session.adapters.values():
        with contextlib.suppress(Exception):  # what it is built from is private
            _abandon_connections(adapter)


def _abandon_connections(adapter: Any) -> None:
    for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
        manager.pools.lock = threading.RLock()
        for pool in list(manager.pools._container.values()):
            for connection in pool.pool.queue:
                fork.close_number(getattr(connection, "sock", None))
            pool.pool.__init__(pool.pool.maxsize)
