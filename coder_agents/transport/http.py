"""
REST calls over requests, and what the streams need of its session.
"""

from __future__ import annotations

import http.cookiejar
import logging
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.exceptions import MaxRetryError

from coder_agents._version import __version__
from coder_agents.config import TOKEN_HEADER, Settings
from coder_agents.errors import ConfigError
from coder_agents.transport import fork
from coder_agents.transport.failures import api_error, transport_error
from coder_agents.transport.session import abandon, hooks_without_cookies

if TYPE_CHECKING:
    from coder_agents.transport.kept import KeptConnections

logger = logging.getLogger("coder_agents")

Params = Sequence[tuple[str, str]]

# Connections that are kept for the next call: one for each thread that calls at the same time. With
# more threads than that urllib3 closes what it cannot keep, and warns each time.
_POOL_SIZE = 256


class GetRetry(urllib3.Retry):
    """
    urllib3's `Retry`, for GET only, and never sleeping longer in all than the
    caller's time-out.

    urllib3 itself tries any method again when no connection came about, and
    sleeps as long as a ``Retry-After`` requests.
    """

    max_sleep: float = 0.0
    slept: float = 0.0

    def new(self, **changes: Any) -> Self:
        """
        Return the policy after one more attempt, with the same limit.
        """
        policy = super().new(**changes)
        policy.max_sleep = self.max_sleep
        policy.slept = self.slept
        return policy

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """
        Return the policy for the next attempt, or raise what ends the attempts.
        """
        if error is not None and method != "GET":
            raise MaxRetryError(_pool, url or "", error)
        policy = super().increment(method, url, response, error, _pool, _stacktrace)
        policy.slept += policy._next_sleep(response)
        if policy.slept > self.max_sleep:
            reason = error or urllib3.exceptions.ResponseError("no time is left to try again")
            raise MaxRetryError(_pool, url or "", reason)
        return policy

    def parse_retry_after(self, retry_after: str) -> float:
        """
        Return the seconds that the header names; 0 where it names none that can be read.
        """
        try:
            return super().parse_retry_after(retry_after)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return 0.0

    def _next_sleep(self, response: urllib3.BaseHTTPResponse | None) -> float:
        asked = None if response is None else self.get_retry_after(response)
        return self.get_backoff_time() if asked is None else asked


class HTTP:
    """
    One deployment's REST calls.

    Owns its session unless it was handed one, which it neither changes nor closes. A copy, such as a
    pickled one, has no connections.

    Attributes:
        owns_session: whether the session is its own.
    """

    def __init__(self, settings: Settings, session: requests.Session | None = None) -> None:
        if session is not None and not isinstance(session, requests.Session):
            raise TypeError(f"session must be a requests.Session, not {type(session).__name__}")
        self.settings = settings
        self.owns_session = session is None
        self.session = _new_session(settings) if session is None else session
        # Passed with each request: the environment overrides what a session itself holds.
        self._verify = settings.verify if self.owns_session else None
        self._cert = settings.cert if self.owns_session else None
        self._closed = False
        self._kept: dict[int, KeptConnections] = {}

    def __repr__(self) -> str:
        return f"<HTTP {self.settings.url}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": {}}

    def close(self) -> None:
        """
        Close the connections that are kept for the next call.
        """
        self._closed = True
        for kept in list(self._kept.values()):
            kept.close()
        if self.owns_session:
            self.session.close()

    @property
    def kept(self) -> KeptConnections:
        """
        The connections that are kept open for what streams request.
        """
        if not self._kept:
            from coder_agents.transport.kept import KeptConnections

            kept = self._kept.setdefault(0, KeptConnections(self))
            if self._closed:
                kept.close()
        return self._kept[0]

    def after_fork_in_child(self) -> None:
        """
        Give the child process connections of its own. A session that was handed in stays, without
        the connections of its parent: two processes on one would read each other's answers.
        """
        for kept in self._kept.values():
            kept.after_fork_in_child()
        abandon(self.session)
        if self.owns_session:
            self.session = _new_session(self.settings)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        body: str | None = None,
        expect: int = 200,
    ) -> bytes:
        """
        Return the body of the answer, whose status is *expect*.

        *path* begins after ``/api/v2``; *body* is JSON.

        Raises *APIError* for any other status, *TransportError* where no answer
        came.
        """
        fork.register(self)
        self.check_open()
        self.check_files()
        url = self.url(path)
        started = time.monotonic()
        response = self._send(method, url, params, body)
        logger.debug(
            "%s %s: %s in %.3f s",
            method,
            response.url,
            response.status_code,
            time.monotonic() - started,
        )
        if response.status_code != expect:
            raise api_error(response, token=self.settings.token)
        return response.content

    def url(self, path: str) -> str:
        """
        Return the URL of *path*, which begins after ``/api/v2``.
        """
        return f"{self.settings.url}/api/v2{path}"

    def check_open(self) -> None:
        """
        Raise *RuntimeError* where the client was closed.
        """
        if self._closed:
            raise RuntimeError("the client is closed")

    def check_files(self) -> None:
        """
        Raise *ConfigError* where a file of the TLS settings is not there.
        """
        for setting, value in (("verify", self._verify), ("cert", self._cert)):
            for path in value if isinstance(value, tuple) else (value,):
                if isinstance(path, str) and not os.path.exists(path):
                    raise ConfigError(f"{setting} names a file that is not there: {path}")

    def request_headers(self) -> dict[str, str]:
        """
        Return the headers that every request carries, the token among them.
        """
        headers = dict(self.settings.headers)
        if self.settings.user_agent is not None:
            headers["User-Agent"] = self.settings.user_agent
        headers[TOKEN_HEADER] = self.settings.token
        return headers

    def prepare(
        self, path: str, params: Params, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """
        Return a GET as the session would send it, with *headers* over its own.
        """
        fork.register(self)
        request = self.session.prepare_request(
            requests.Request(
                "GET",
                self.url(path),
                params=list(params),
                headers={**self.request_headers(), **headers},
            )
        )
        request.headers["Host"] = urlsplit(request.url or "").netloc
        return request

    def pool_for(self, request: requests.PreparedRequest) -> Any:
        """
        Return the pool whose connections *request* would go over.

        It has the session's TLS settings and proxy, so a stream dialled from it has.
        """
        url = request.url or ""
        adapter = self.session.get_adapter(url)
        if not isinstance(adapter, requests.adapters.HTTPAdapter):
            raise TypeError(
                "streams need a requests.adapters.HTTPAdapter to dial through,"
                f" but the session's adapter for {url} is a {type(adapter).__name__}"
            )
        settings = self.session.merge_environment_settings(url, {}, True, self._verify, self._cert)
        return adapter.get_connection_with_tls_context(
            request, settings["verify"], proxies=settings["proxies"], cert=settings["cert"]
        )

    def _send(self, method: str, url: str, params: Params, body: str | None) -> requests.Response:
        headers = self.request_headers()
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self.session.request(
                method,
                url,
                params=list(params),
                data=None if body is None else body.encode(),
                headers=headers,
                timeout=(self.settings.connect_timeout, self.settings.read_timeout),
                allow_redirects=False,
                hooks=None if self.owns_session else hooks_without_cookies(self.session),
                verify=self._verify,
                cert=self._cert,
            )
        except (
            requests.RequestException,
            OSError,
            ValueError,  # of a Location that is no URL, which requests reads though it follows none
            urllib3.exceptions.HTTPError,
        ) as error:
            failure = transport_error(f"{method} {url}", error)
        try:
            # Raised out here, or its context would hold the request and so the token.
            raise failure
        finally:
            del failure  # or the exception, its traceback and this frame would be a cycle


def _new_session(settings: Settings) -> requests.Session:
    session = requests.Session()
    session.auth = _no_netrc
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = f"coder-agents/{__version__}"
    session.headers["Accept"] = "application/json"
    session.proxies.update(settings.proxies or {})
    retries = _retry_policy(settings)
    adapter = requests.adapters.HTTPAdapter(max_retries=retries, pool_maxsize=_POOL_SIZE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _retry_policy(settings: Settings) -> GetRetry:
    policy = GetRetry(
        total=settings.retries,
        allowed_methods={"GET"},
        status_forcelist=(502, 503, 504),
        backoff_factor=0.2,
        backoff_jitter=0.1,
        # Or the body of the last answer is lost, and with it the reason.
        raise_on_status=False,
    )
    policy.max_sleep = settings.read_timeout
    return policy


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # requests reads ~/.netrc only where a request has no auth of its own.
    return request


def quoted(*segments: object) -> str:
    """
    Return *segments* as one path, each quoted so that it stays one segment.
    """
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)
