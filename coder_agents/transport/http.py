"""
REST calls over requests, and the session's settings for the streams.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.utils
import urllib3

from coder_agents import schema, transport
from coder_agents.config import TOKEN_HEADER, Settings
from coder_agents.errors import CoderError
from coder_agents.transport import fork, surroundings
from coder_agents.transport.decoding import JSON, decoded
from coder_agents.transport.pace import Pace, Turn
from coder_agents.transport.request_log import log_answer, log_failure
from coder_agents.transport.session import abandon, hooks_without_cookies, new_session

if TYPE_CHECKING:
    from coder_agents.transport.kept import KeptConnections
    from coder_agents.transport.session import Closable
    from coder_agents.transport.together import Wakeable

Params = Sequence[tuple[str, str]]

T = TypeVar("T")

NO_CONTENT = 204
"""
The status of success without a body.
"""


class HTTP:
    """
    One deployment's REST calls.

    A session that is passed in is neither changed nor closed; otherwise the object owns its
    session. A copy, such as a pickled one, has no connections.

    With a *pace*, each request waits for its turn, also those of streams. Where the deployment
    refuses a request with the status 429, the request is sent again until it is accepted; that is
    safe for any method, because a refused request was not executed.

    Args:
        pace: when requests may begin; None where each begins at once, and is sent once.

    Attributes:
        pace: as above.
        owns_session: whether the session is the object's own.
        held: what is closed together with it, by keys of those who use it.
    """

    check_interval = math.inf
    """
    After how many seconds a source that waits for its turn checks whether it was woken.
    """

    def __init__(
        self,
        settings: Settings,
        session: requests.Session | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        if session is not None and not isinstance(session, requests.Session):
            raise TypeError(f"session must be a requests.Session, not {type(session).__name__}")
        self.settings = settings
        self.pace = pace
        self.owns_session = session is None
        self.session = new_session(settings, pace) if session is None else session
        self._verify = settings.verify if self.owns_session else None
        self._cert = settings.cert if self.owns_session else None
        self._proxies = surroundings.chosen_proxy(settings)
        self._proxy_is_checked = False
        self._closed = False
        self._kept: dict[int, KeptConnections] = {}
        self._paces: dict[int, Pace] = {}
        self.held: dict[Hashable, Closable] = {}

    def __repr__(self) -> str:
        return f"<HTTP {self.settings.url}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": {}, "_paces": {}, "held": {}}

    def paced(self, pace: Pace) -> HTTP:
        """
        Return an object with these settings, and the user's session if there is one, at *pace*.
        """
        return HTTP(self.settings, None if self.owns_session else self.session, pace=pace)

    def close(self) -> None:
        """
        Close the connections that are kept for the next call.
        """
        self._closed = True
        for kept in list(self._kept.values()):
            kept.close()
        for held in list(self.held.values()):
            held.close()
        if self.owns_session:
            self.session.close()

    @property
    def kept(self) -> KeptConnections:
        """
        The connections that are kept open for the requests of streams.
        """
        if not self._kept:
            from coder_agents.transport.kept import KeptConnections

            kept = self._kept.setdefault(0, KeptConnections(self))
            if self._closed:
                kept.close()
        return self._kept[0]

    @property
    def pace_of_several(self) -> Pace:
        """
        The pace of all calls over several agents, which share it.
        """
        return self.pace or self._paces.setdefault(0, Pace())

    def after_fork_in_child(self) -> None:
        """
        Give the child process connections of its own. A session that was passed in stays, without
        the parent's connections: two processes on one connection would read each other's answers.
        """
        for kept in self._kept.values():
            kept.after_fork_in_child()
        abandon(self.session)
        if self.owns_session:
            self.session = new_session(self.settings, self.pace)

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

        Raises *APIError* for any other status, *TransportError* where no answer came, *DecodeError*
        for a page in place of JSON.
        """
        fork.register(self)
        self.check_open()
        self.check_surroundings()
        url = self.url(path)
        turn = Turn(self.pace)
        while True:
            turn.wait(self.pause)
            sent = time.monotonic()
            response = self._send(method, url, params, body)
            log_answer(method, response.url, response.status_code, sent)
            if not turn.answered(response.status_code, response.headers):
                break
        if response.status_code != expect:
            raise self.refusal(response)
        if expect != NO_CONTENT and transport.is_page(response):
            raise transport.page_error(response, token=self.settings.token)
        return response.content

    def pause(self, seconds: float) -> None:
        """
        Wait for *seconds*.
        """
        time.sleep(seconds)

    def read(
        self,
        cls: type[T],
        method: str,
        path: str,
        *,
        params: Params = (),
        body: str | None = None,
        expect: int = 200,
    ) -> T:
        """
        Return the answer, read as *cls*; see `call`.

        Raises what `call` raises, and *DecodeError* where the answer is no *cls*.
        """
        content = self.call(method, path, params=params, body=body, expect=expect)
        return decoded(content, lambda text: schema.from_json(text, cls), method, self.url(path))

    def refusal(self, response: requests.Response, *, advice: str = "") -> CoderError:
        """
        Return the exception for *response*, whose status is not the expected one; *advice* is text
        that says what to do.
        """
        token, proxy = self.settings.token, self.proxy_of(response.url)
        return transport.refusal(response, token=token, proxy=proxy, advice=advice)

    def failure(self, method: str, url: str, error: Exception, *, advice: str = "") -> CoderError:
        """
        Return the exception for *error*, with which a library ended a request; *advice* is text
        that says what to do.
        """
        token, proxy = self.settings.token, self.proxy_of(url)
        return transport.transport_error(
            f"{method} {url}", error, token=token, proxy=proxy, advice=advice
        )

    def proxy_of(self, url: str) -> str:
        """
        Return the URL of the proxy for requests of *url*; empty without a proxy.
        """
        settings = self._settings_of(url, stream=None)
        return requests.utils.select_proxy(url, settings["proxies"]) or ""

    def url(self, path: str) -> str:
        """
        Return the URL of *path*, which begins after ``/api/v2``.
        """
        return f"{self.settings.url}/api/v2{path}"

    def opening(self, source: Wakeable) -> None:
        """
        Note that *source*, or another object that can be woken, is about to wait.
        """

    def check_open(self) -> None:
        """
        Raise *RuntimeError* where the client was closed.
        """
        if self._closed:
            raise RuntimeError("the client is closed")

    def check_surroundings(self) -> None:
        """
        Raise *ConfigError* where a file of the TLS settings is not there, or where the proxy of the
        environment or the session has a URL that cannot be used.
        """
        surroundings.check_files(verify=self._verify, cert=self._cert)
        if not self._proxy_is_checked:  # once, as requests reads the environment at each request
            surroundings.check_proxy(self.proxy_of(self.settings.url))
            self._proxy_is_checked = True

    def request_headers(self) -> dict[str, str]:
        """
        Return the headers of every request, the token included.
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
        Return a GET as the session would send it; *headers* take precedence over the session's.
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
        Return the pool of connections that the session would use for *request*.

        A stream that is dialled from the pool has the session's TLS settings and proxy.
        """
        url = request.url or ""
        adapter = self.session.get_adapter(url)
        if not isinstance(adapter, requests.adapters.HTTPAdapter):
            raise TypeError(
                "streams need a requests.adapters.HTTPAdapter to dial through,"
                f" but the session's adapter for {url} is a {type(adapter).__name__}"
            )
        settings = self._settings_of(url, stream=True)
        return adapter.get_connection_with_tls_context(
            request, settings["verify"], proxies=settings["proxies"], cert=settings["cert"]
        )

    def _settings_of(self, url: str, *, stream: bool | None) -> dict[str, Any]:
        if not self.owns_session:
            merge: Any = self.session.merge_environment_settings
            settings: dict[str, Any] = merge(url, {}, stream, None, None)
            return settings
        proxies = (
            surroundings.proxies_for(url) if self.settings.proxies is None else dict(self._proxies)
        )
        verify = (
            surroundings.authorities() if self.settings.verify is True else self.settings.verify
        )
        return {"proxies": proxies, "stream": stream, "verify": verify, "cert": self.settings.cert}

    def _send(self, method: str, url: str, params: Params, body: str | None) -> requests.Response:
        headers = self.request_headers()
        if body is not None:
            headers["Content-Type"] = JSON
        sent = time.monotonic()
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
                **(self._settings_of(url, stream=None) if self.owns_session else {}),
            )
        except (
            requests.RequestException,
            OSError,
            ValueError,  # an invalid Location header, which requests parses though it follows no redirect
            urllib3.exceptions.HTTPError,
        ) as error:
            failure = self.failure(method, url, error)
        log_failure(method, url, failure, sent)
        try:
            # Raised outside of the handler: its context would hold the request and so the token.
            raise failure
        finally:
            del failure  # the exception, its traceback and this frame would form a cycle
