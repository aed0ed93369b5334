"""
REST calls and streams that another thread can end at once.

requests cannot end a call that waits for its answer. Here each GET has a connection of its own that
can be woken, as the further requests of a stream have, and closing wakes all of them.
"""

from __future__ import annotations

import math
import queue
import selectors
import time
from typing import Self

import requests

from coder_agents.config import Settings
from coder_agents.transport.document import DocumentSource
from coder_agents.transport.http import HTTP, Params
from coder_agents.transport.pace import Pace
from coder_agents.transport.together import Wakeable, WokenTogether
from coder_agents.transport.waiting import ClosedError, DroppedError, Interest

_MAX_BODY = 256 * 1024 * 1024  # bytes, as for the documents of streams


class WakeableHTTP(HTTP):
    """
    One deployment's REST calls and streams, which all end when it is closed.

    A GET is sent once, whatever the number of retries in the settings: who wakes calls repeats them,
    too. Other methods are sent as by `HTTP`, and can be woken only while they wait for their turn.
    """

    check_interval = 0.1

    def __init__(
        self,
        settings: Settings,
        session: requests.Session | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(settings, session, pace=pace)
        self._sources = WokenTogether()
        # Unlike an event, it may be rung by a signal handler at any moment.
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    @classmethod
    def like(cls, http: HTTP, *, pace: Pace | None = None) -> Self:
        """
        Return an object with the settings of *http*, and with its session where a user handed that
        in; *pace* is that of its requests.
        """
        return cls(http.settings, None if http.owns_session else http.session, pace=pace)

    def opening(self, source: Wakeable) -> None:
        """
        Wake *source* when this object is closed; at once where it is closed already.
        """
        self._sources.add(source)

    def close(self) -> None:
        """
        Wake every thread that waits for the deployment, and close all connections.

        The calls and streams of those threads raise *ClosedError* or end. Only a DNS look-up runs
        to its end.
        """
        self._bell.put(None)
        self._sources.wake()
        super().close()

    def pause(self, seconds: float) -> None:
        """
        Wait for *seconds*.

        Raises *ClosedError* where the object is closed meanwhile.
        """
        try:
            self._bell.get(timeout=seconds)
        except queue.Empty:
            return
        self._bell.put(None)  # for the other threads that wait
        raise ClosedError

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
        Return the body of the answer; see `HTTP.call`.

        Raises what `HTTP.call` raises, and *ClosedError* where the object is closed meanwhile.
        """
        if method != "GET":
            return super().call(method, path, params=params, body=body, expect=expect)
        limit = self.settings.read_timeout
        source = DocumentSource(self, path, params, idle_timeout=limit, max_message_size=_MAX_BODY)
        try:
            return self._read(source, path)
        finally:
            source.free()

    def _read(self, source: DocumentSource, path: str) -> bytes:
        try:
            source.send_request(self.settings.connect_timeout)
            while not source.answered():
                self._wait(source.interest())
            while (body := source.receive()) is None:
                self._wait(source.interest())
            return body
        except DroppedError as error:
            failure = self.failure("GET", self.url(path), error)
        try:
            # Raised outside of the handler, as elsewhere: no context holds the request.
            raise failure
        finally:
            del failure

    def _wait(self, interest: Interest | None) -> None:
        if interest is None:
            return
        left = max(0.0, interest.until - time.monotonic())
        if interest.fileno is None:  # the request waits for its turn
            self.pause(left)
            return
        with selectors.DefaultSelector() as selector:
            selector.register(interest.fileno, interest.events)
            selector.select(None if math.isinf(left) else left)


def unwoken(http: HTTP) -> HTTP:
    """
    Return an object for the requests that clean up, which works also after *http* was woken.
    """
    if not isinstance(http, WakeableHTTP):
        return http
    return HTTP(http.settings, None if http.owns_session else http.session)
