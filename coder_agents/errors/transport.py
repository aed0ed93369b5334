"""
A deployment that cannot be reached.
"""

from __future__ import annotations

from coder_agents.errors.root import CoderError


class TransportError(CoderError):
    """
    The deployment could not be reached, or the exchange with it broke off.

    The connection was refused or lost, a host name is unknown, a proxy said no.
    """


class TLSError(TransportError):
    """
    The TLS handshake failed: an unknown authority, a wrong host name, a refused
    client certificate.
    """


class RequestTimeoutError(TransportError, TimeoutError):
    """
    No connection or no answer within the time-out.
    """
