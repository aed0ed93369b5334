"""
Sessions of requests: the client's own, and the cookies and forks of any.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import requests

from coder_agents._version import __version__
from coder_agents.config import Settings
from coder_agents.transport import fork
from coder_agents.transport.adapter import SharingAdapter
from coder_agents.transport.retry import GetRetry, PacedRetry, retry_policy

if TYPE_CHECKING:
    from coder_agents.transport.pace import Pace

Hooks = dict[str, list[Callable[..., Any]]]

# Connections that are kept for the next call, one for each concurrent thread. With more threads
# than that, urllib3 closes the excess connections, and warns each time.
_POOL_SIZE = 256


class Closable(Protocol):
    """
    An object that is closed with the client.
    """

    def close(self) -> None:
        """
        Free what it holds, also twice.
        """


def new_session(settings: Settings, pace: Pace | None) -> requests.Session:
    """
    Return a session of the client's own for *settings*; *pace* is that of its requests.
    """
    session = requests.Session()
    # No ~/.netrc is read then; for what the environment sets see `HTTP`.
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = f"coder-agents/{__version__}"
    session.headers["Accept"] = "application/json"
    retries = retry_policy(settings, GetRetry if pace is None else PacedRetry)
    adapter = SharingAdapter(max_retries=retries, pool_maxsize=_POOL_SIZE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def hooks_without_cookies(session: requests.Session) -> Hooks:
    """
    Return the hooks of a request through *session* that keep its answer out of the session's cookie
    jar.

    The result includes the session's own hooks, because a request's hooks replace them. An
    authentication of the session adds its hooks before these.
    """
    own = session.hooks.get("response") or []
    return {"response": [*([own] if callable(own) else own), _take_cookies]}


def _take_cookies(response: requests.Response, **options: Any) -> None:
    """
    Read *response* and remove its raw response, from which requests takes cookies.
    """
    # An authentication that needed two requests has its first answer in the history.
    for each in (*response.history, response):
        _ = each.content
        each.raw = None


def abandon(session: requests.Session) -> None:
    """
    Close the file numbers of the sockets that *session* keeps, in a forked process.

    No lock of its pools is taken, because another thread may have held it: each lock is replaced.
    Adapters of other classes than requests' own stay as they are.
    """
    for adapter in session.adapters.values():
        with contextlib.suppress(Exception):  # the attributes of an adapter are private
            _abandon_connections(adapter)


def _abandon_connections(adapter: Any) -> None:
    for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
        manager.pools.lock = threading.RLock()
        for pool in list(manager.pools._container.values()):
            for connection in pool.pool.queue:
                fork.close_number(getattr(connection, "sock", None))
            pool.pool.__init__(pool.pool.maxsize)
