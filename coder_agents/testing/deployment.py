"""
The embedded deployment.
"""

from __future__ import annotations

import atexit
import contextlib
import secrets
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.call import Call
from coder_agents.testing.connection import ServerConnection
from coder_agents.testing.connections import Connections
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults import Faults
from coder_agents.testing.headers import headers_of_answers
from coder_agents.testing.http import RequestReader, ServerRequest
from coder_agents.testing.machine import Machine
from coder_agents.testing.metadata import Metadata
from coder_agents.testing.rate_limit import Limiter, RateLimit
from coder_agents.testing.recorded_request import RecordedRequest
from coder_agents.testing.releases import find_release
from coder_agents.testing.routes import PROTOCOLS
from coder_agents.testing.scripts import Script
from coder_agents.testing.server import HOST, Server
from coder_agents.testing.state import State
from coder_agents.testing.tls import OwnCertificate
from coder_agents.testing.workspace import EmbeddedWorkspace

if TYPE_CHECKING:
    from coder_agents import Client

MEBIBYTE = 1_048_576
MAX_REQUESTS = 10_000


class Deployment:
    """
    A small Coder deployment on loopback.

    ::

        with Deployment() as deployment:
            agent = deployment.add_agent(scripts=["echo hello"])
            client = deployment.client()

    Arguments:
        release: the release of Coder that it simulates: ``2.24``, ``2.31`` or ``2.35``.
        tls: whether it uses TLS, with a certificate of its own (see `ca_file`; this needs the
            package cryptography); or the server's SSL context to use.
        ping_interval: seconds between the pings of a stream.
        metadata_interval: seconds between two checks for changed metadata.
        log_limit: how many bytes of log text an agent may have.
        seed: determines all ids and the random choices of faults.
        rate_limit: how many requests a user may send in a minute to each endpoint, or a `RateLimit`;
            None is no limit. Further requests are refused with the status 429.

    Attributes:
        url: its URL: ``http://127.0.0.1:PORT``, with ``https`` under TLS.
        token: the session token that it requires.
        faults: faults on demand.
        ca_file: the certificate authority to trust; None without TLS or with a
            context of one's own.
        requests: the newest 10,000 requests that it received.
        connections: how many connections it accepted, and which are open.
        rate_limited: how many requests were refused because of *rate_limit*, by route.
        pong_timeout: seconds after a ping in which a WebSocket's peer has to answer, from 2.31 on;
            15 as in a real deployment.
    """

    def __init__(
        self,
        *,
        release: str = "2.31",
        tls: bool | ssl.SSLContext = False,
        ping_interval: float = 15,
        metadata_interval: float = 1,
        log_limit: int = MEBIBYTE,
        seed: int = 0,
        rate_limit: RateLimit | int | None = None,
    ) -> None:
        if isinstance(rate_limit, int):
            rate_limit = RateLimit(rate_limit)
        self._limiter = Limiter(rate_limit)
        self.rate_limited = self._limiter.refused
        self._state = State(
            find_release(release),
            metadata_interval=metadata_interval,
            log_limit=log_limit,
            seed=seed,
        )
        self._ping_interval = ping_interval
        self.pong_timeout = 15.0
        self.token = f"{secrets.token_hex(5)}-{secrets.token_hex(11)}"
        self.requests: deque[RecordedRequest] = deque(maxlen=MAX_REQUESTS)
        self.ca_file: Path | None = None
        self._certificate = OwnCertificate() if tls is True else None
        self._tls = tls if isinstance(tls, ssl.SSLContext) else None
        if self._certificate is not None:
            self._tls, self.ca_file = self._certificate.context, self._certificate.ca_file
        self.faults = Faults(PROTOCOLS, tls=self._tls is not None, seed=seed)
        self.connections = Connections()
        self._server = self._start_server()
        self._closed = threading.Event()
        self._changing = threading.RLock()
        scheme = "https" if self._tls else "http"
        self.url = self._state.url = f"{scheme}://{HOST}:{self._server.port}"
        # Without this, an interpreter that ends without `close` would leave scripts running.
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Deployment {self._state.release.name} at {self.url}>"

    @property
    def licensed(self) -> bool:
        """
        Whether it has the calls of licensed deployments: tokens for terminals on workspace proxies.
        """
        return self._state.licensed

    @licensed.setter
    def licensed(self, value: bool) -> None:
        self._state.licensed = value

    @property
    def agents(self) -> list[EmbeddedAgent]:
        """
        All agents, those of earlier builds included, oldest first.
        """
        return list(self._state.agents.values())

    def client(self, **options: Any) -> Client:
        """
        Create a client of this deployment with *options*, in addition to URL and token.
        """
        from coder_agents import Client

        if not options.get("session"):  # no proxy of the environment reaches loopback
            options = {"verify": self.ca_file, "proxies": {}, **options}
        return Client(self.url, self.token, **options)

    def workspace(self, name: str = "dev", *, owner: str = "me") -> EmbeddedWorkspace:
        """
        Return the workspace called *name*; create it if it does not exist.

        Arguments:
            name: its name, unique among those of its owner, in any case of letters.
            owner: the name of its owner, a user who is created if necessary; by default the token's
                user, ``tester``.
        """
        return self._state.workspace(name, owner)

    def add_agent(
        self,
        name: str = "main",
        *,
        workspace: str = "dev",
        owner: str = "me",
        scripts: Iterable[Script | str] = (),
        metadata: Iterable[Metadata] = (),
        timeline: Mapping[str, Any] | None = None,
        speed: float = 1.0,
        release: str | None = None,
        shell: str = "/bin/sh",
        directory: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        operating_system: str | None = None,
    ) -> EmbeddedAgent:
        """
        Add an agent to the latest build of a workspace, and start it.

        Arguments:
            name: its name, unique in the workspace.
            workspace: the workspace's name; created if it does not exist.
            owner: the workspace's owner; see `workspace`.
            scripts: the scripts that it runs at its start, all at once; a text is a `Script`.
            metadata: the items that it collects.
            timeline: a recorded start to play in place of scripts; see `EmbeddedAgent.replay`.
            speed: how many times faster than recorded the timeline is played.
            release: the release of its program, such as ``2.24`` for an agent that was not
                restarted since its deployment was updated; by default that of the deployment.
            shell, directory, environment, operating_system: for its terminals; see `Machine`.

        Raises:
            ValueError: the workspace has an agent of that name, the timeline cannot be played,
                or the release or the operating system is unknown.
        """
        machine = Machine(
            shell=shell,
            directory=None if directory is None else Path(directory).absolute(),
            environment=dict(environment or {}),
            **({} if operating_system is None else {"operating_system": operating_system}),
        )
        build = self._state.workspace(workspace, owner).latest_build
        return build.add_agent(
            name,
            scripts=scripts,
            metadata=metadata,
            timeline=timeline,
            speed=speed,
            release=release,
            machine=machine,
        )

    def skip_log_ids(self, count: int) -> None:
        """
        Skip *count* ids of log lines, as the lines of other agents do.
        """
        self._state.logs.skip_ids(count)

    def set_clock(self, offset: timedelta) -> None:
        """
        Set the deployment's clock *offset* ahead of the true time, or behind it if negative.

        Raises:
            TypeError: *offset* is no timedelta.
            ValueError: *offset* is more than 1,000 years.
        """
        self._state.set_clock(offset)

    def restart(self, *, down: float = 0.0) -> None:
        """
        Shut the server down and start it again on the same port; scripts continue meanwhile.

        Streams end as in a deployment that shuts down: WebSockets close with 1000.

        Arguments:
            down: seconds in between, in which connections are refused. No other program can take
                the port. `close` ends the pause, and the server stays down.

        Raises:
            ValueError: *down* is negative or too long.
            RuntimeError: the deployment is closed.
        """
        if not 0 <= down <= threading.TIMEOUT_MAX:
            raise ValueError(f"down must be 0 or more seconds, not {down}")
        with self._changing:
            if self._closed.is_set():
                raise RuntimeError("the deployment is closed")
            with contextlib.ExitStack() as undo:
                listener = undo.enter_context(self._server.suspend())
                if not self._closed.wait(down):
                    self._server = self._start_server(listener)
                    undo.pop_all()

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        """
        Accept no new connections in a ``with`` block; open connections continue.

        A client that connects meanwhile gets no answer, as from a host behind a broken route, and
        connects after the block if it still tries. Linux behaves like this when the queue of a
        listener is full. A restart in the block makes the deployment reachable again.

        Raises:
            RuntimeError: the deployment is closed, or unreachable already.
        """
        with self._changing:
            server = self._server
            server.block()
        try:
            yield
        finally:
            with self._changing:
                server.unblock()

    def close(self) -> None:
        """
        End every stream as in a deployment that shuts down, kill all scripts without running stop
        scripts, and free every thread, socket and process. A second call does nothing.
        """
        atexit.unregister(self.close)
        self._closed.set()
        with self._changing:
            self._server.stop()
        self._kill_agents()
        self._state.builds.stop()
        self._kill_agents()  # those of a build that has ended meanwhile
        if self._certificate is not None:
            self._certificate.remove()

    def _kill_agents(self) -> None:
        for agent in self.agents:
            agent.kill()

    def _start_server(self, listener: socket.socket | None = None) -> Server:
        return Server(
            self._serve, self.connections, self.faults.accept, tls=self._tls, listener=listener
        )

    def _serve(self, connection: ServerConnection) -> None:
        reader = RequestReader(connection)
        keep_alive, kept = True, False
        while keep_alive:
            request = reader.read()
            self.connections.note_idle(connection, False)
            keep_alive = self._answer(connection, request, kept=kept) and request.keep_alive
            kept = True
            self.connections.note_idle(connection, keep_alive)

    def _answer(self, connection: ServerConnection, request: ServerRequest, *, kept: bool) -> bool:
        """
        Answer one request; return whether another may follow on the connection.
        """
        call = Call.of(request, self._state)
        headers = dict(request.headers)
        self.requests.append(
            RecordedRequest(call.name, request.method, request.target, headers, connection.number)
        )
        limit = self._limiter.check(call.name, request)
        refused = limit.refusal is not None
        exchange = ServerExchange(
            connection,
            request,
            headers=(*headers_of_answers(self._state), *limit.headers),
            ping_interval=self._ping_interval,
            liveness=(self.pong_timeout, self._state.release.pong_reason),
            faults=() if refused else self.faults.claim(call.name, kept=kept, request=request),
        )
        response = limit.refusal or exchange.begin() or call.run(exchange, self._state, self.token)
        if response is not None:
            exchange.respond(response)
        return response is not None
