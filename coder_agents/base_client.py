"""
The settings of a client, from arguments or from the environment of Coder's command.
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from coder_agents.capabilities import Capabilities
from coder_agents.config import Cert, File, Timeout, check_settings, deployment_url
from coder_agents.environment import Environment
from coder_agents.errors import ConfigError
from coder_agents.streams.options import StreamOptions, choose_options
from coder_agents.transport import HTTP

if TYPE_CHECKING:
    import requests

    from coder_agents.transport import Pace


class BaseClient:
    """
    A client's settings and connections, without the methods that send requests.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: Timeout = (10, 60),
        retries: int | None = None,
        verify: bool | File | None = None,
        cert: Cert | None = None,
        headers: Mapping[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        stream_options: StreamOptions | None = None,
        session: requests.Session | None = None,
    ) -> None:
        settings = check_settings(
            url,
            token,
            timeout=timeout,
            retries=retries,
            verify=verify,
            cert=cert,
            headers=headers,
            proxies=proxies,
            user_agent=user_agent,
        )
        if session is not None:
            _refuse_beside_session(retries=retries, verify=verify, cert=cert, proxies=proxies)
        self._stream_options = choose_options(
            stream_options, StreamOptions(), name="stream_options"
        )
        self._http = HTTP(settings, session)
        self._capabilities = Capabilities()

    @classmethod
    def from_env(
        cls,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: Timeout = (10, 60),
        retries: int | None = None,
        verify: bool | File | None = None,
        cert: Cert | None = None,
        headers: Mapping[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        stream_options: StreamOptions | None = None,
        session: requests.Session | None = None,
    ) -> Self:
        """
        Return a client for the deployment that Coder's command would use.

        The URL and the token come from the arguments, else from ``CODER_URL`` and
        ``CODER_SESSION_TOKEN``, else from the files that ``coder login`` wrote. The other arguments
        are those of `Client`. Each takes precedence over its variable, which is then not read:
        *headers* over ``CODER_HEADER`` and ``CODER_HEADER_COMMAND``, *verify* over
        ``CODER_CLIENT_TLS_CA_FILE``, *cert* over ``CODER_CLIENT_TLS_CERT_FILE`` and
        ``CODER_CLIENT_TLS_KEY_FILE``, and *session* over all three TLS variables. None means "not
        given"; only *timeout* takes None as a value, for no limit.

        Raises *ConfigError*, which names every place that was read, or the variable or file that
        is wrong; and what `Client` raises.
        """
        environment = Environment(os.environ)
        url = deployment_url(environment.url() if url is None else url)
        token = environment.token() if token is None else token
        if session is None:
            verify = environment.verify() if verify is None else verify
            cert = environment.cert() if cert is None else cert
        make = functools.partial(
            cls,
            url,
            token,
            timeout=timeout,
            retries=retries,
            verify=verify,
            cert=cert,
            proxies=proxies,
            user_agent=user_agent,
            stream_options=stream_options,
            session=session,
        )
        if headers is None:
            make()  # all else is checked before CODER_HEADER_COMMAND runs
            headers = environment.headers(url)
        return make(headers=headers)

    def __repr__(self) -> str:
        return f"<Client {self._http.settings.url}>"

    def _repr_html_(self) -> str:
        from coder_agents.render.html import render_html_card

        return render_html_card("Client", [("Deployment", self._http.settings.url)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wakeable(self, *, pace: Pace | None = None) -> Self:
        """
        Return a client with these settings whose calls and streams all end when it is closed; *pace*
        is that of its requests.
        """
        from coder_agents.transport import WakeableHTTP

        self._http.check_open()
        twin = copy.copy(self)
        twin._http = WakeableHTTP.like(self._http, pace=pace)
        return twin

    def close(self) -> None:
        """
        Close the connections that the client keeps for REST calls.

        Streams stay open, and calls over several agents that have begun continue.
        """
        self._http.close()


def _refuse_beside_session(**settings: object) -> None:
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise ConfigError(
            f"{' and '.join(given)} cannot be given beside session=: set them on the session"
        )
