"""
Errors of a deployment that cannot be reached.

Each class is also the class that requests raises for the same reason, so that code which catches
the exceptions of requests continues to work.
"""

from __future__ import annotations

import requests.exceptions

from coder_agents.errors.root import CoderError


class TransportError(CoderError, requests.exceptions.ConnectionError):
    """
    The deployment could not be reached, or the connection to it broke.

    For example, the connection was refused or dropped, or a host name is unknown. The error is also
    a `requests.ConnectionError`. Its ``__cause__`` is the error of the socket, of TLS or of HTTP,
    where there was one.

    Attributes:
        request: the request, without the token and the headers; None where none was prepared.
    """

    def __init__(self, text: str = "", *, request: requests.PreparedRequest | None = None) -> None:
        super().__init__(text, request=request)


class ProxyError(TransportError, requests.exceptions.ProxyError):
    """
    The proxy could not be reached, requires a login (status 407), or refused to connect.

    The error's text names the proxy. The error is also a `requests.exceptions.ProxyError`.
    """


class TLSError(TransportError, requests.exceptions.SSLError):
    """
    The TLS handshake failed: an unknown authority, a wrong host name, or a refused client
    certificate.

    The error is also a `requests.exceptions.SSLError`.

    Attributes:
        certificate_refused: whether one side refused the certificate of the other. Such a request
            is not sent again: the next try would fail in the same way.
    """

    def __init__(
        self,
        text: str = "",
        *,
        certificate_refused: bool = False,
        request: requests.PreparedRequest | None = None,
    ) -> None:
        super().__init__(text, request=request)
        self.certificate_refused = certificate_refused


class RequestTimeoutError(TransportError, requests.exceptions.Timeout, TimeoutError):
    """
    There was no connection or no answer within the time-out.

    The error is also a `requests.Timeout` and a `TimeoutError`.
    """
