"""
The exceptions for calls without an answer, built from the errors of the libraries.

No exception that is built here holds the token: neither its text, nor its request, nor its cause.
"""

from __future__ import annotations

import re
import ssl
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from urllib3.util.ssl_match_hostname import CertificateError

from coder_agents.config import with_scheme
from coder_agents.errors import (
    CoderError,
    ConfigError,
    ProxyError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from coder_agents.errors.advice import Advice
from coder_agents.render import escape_controls
from coder_agents.transport.redacted import redacted_request
from coder_agents.transport.waiting import DroppedError

PROXY_LOGIN = 407
"""
The status with which a proxy requires a login.
"""

_LOGIN_WANTED = re.compile(rf"(Tunnel connection failed: |^){PROXY_LOGIN}\b")
# OpenSSL's names of the alerts with which the peer refuses the client's certificate.
_REFUSED_BY_PEER = re.compile(
    r"ALERT_(CERTIFICATE_|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|NO_CERTIFICATE|UNKNOWN_CA)"
)
_HOW_TO_TRUST = (
    "if the certificate comes from a private authority, name the file of that authority"
    f" {Advice.AUTHORITY} CODER_CLIENT_TLS_CA_FILE"
)
_HOW_TO_RENEW = "the certificate must be renewed, or the clock of this machine is wrong"
_HOW_TO_NAME = "the URL must have a host name that is in the certificate"
# OpenSSL's codes: not yet valid, expired; another name, another address.
_BY_CODE = {9: _HOW_TO_RENEW, 10: _HOW_TO_RENEW, 62: _HOW_TO_NAME, 64: _HOW_TO_NAME}
_HOW_TO_SHOW = (
    "the deployment refused the client's certificate, or requires one: name it"
    f" {Advice.CERTIFICATE} CODER_CLIENT_TLS_CERT_FILE and CODER_CLIENT_TLS_KEY_FILE"
)
_LIBRARIES = ("requests", "urllib3")


def transport_error(
    what: str, error: BaseException, *, token: str, proxy: str = "", advice: str = ""
) -> CoderError:
    """
    Return the exception for *error*, which a library raised during the request *what*.

    *what* is the method and the URL, *proxy* the URL of the proxy if the request goes through one,
    *advice* text that says what to do where no answer came.
    """
    chain = _chain(error)
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
        return ConfigError(_why_not_sent(what, error))
    # The first exception of the chain says most; a DroppedError already says that the connection
    # dropped.
    last = error if isinstance(error, DroppedError) else chain[-1]
    reason = escape_controls(str(last)) or type(last).__name__
    failure = _failure(what, reason.replace(token, "[token]"), chain, proxy, advice)
    request = getattr(error, "request", None)
    failure.request = None if request is None else redacted_request(request)
    failure.__cause__ = _cause(chain[-1], token)
    return failure


def _failure(
    what: str, reason: str, chain: list[BaseException], proxy: str, advice: str
) -> TransportError:
    accepted = certificate_advice(chain)
    through = f" (through the proxy {_address(proxy)})" if proxy else ""
    text = "; ".join(part for part in (f"{what}: {reason}{through}", accepted or advice) if part)
    if is_of_proxy(chain):
        return proxy_error(what, reason, proxy, advice=accepted)
    if any(isinstance(each, (ssl.SSLError, urllib3.exceptions.SSLError)) for each in chain):
        return TLSError(text, certificate_refused=bool(accepted))
    if any(_is_timeout(each) for each in chain):
        return RequestTimeoutError(text)
    return TransportError(text)


def is_of_proxy(chain: list[BaseException]) -> bool:
    """
    Whether the exceptions *chain* come from reaching a proxy, or from the proxy's answer.
    """
    kinds = (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)
    return any(isinstance(each, kinds) for each in chain)


def _is_timeout(error: BaseException) -> bool:
    # urllib3 counts a refused connection and an unknown host among its time-outs.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)) and not refused


def _chain(error: BaseException) -> list[BaseException]:
    """
    Return *error* and its causes, down to the first exception.
    """
    chain = [error]
    while (cause := _cause_of(chain[-1])) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _cause_of(error: BaseException) -> BaseException | None:
    # urllib3 passes the original exception as an argument of the one that it raises.
    within = (each for each in error.args if isinstance(each, BaseException))
    return error.__cause__ or error.__context__ or next(within, None)


def _cause(root: BaseException, token: str) -> BaseException | None:
    """
    Return *root*, the first exception, as the cause of the client's exception; None where it holds
    the token.

    Exceptions of requests and urllib3 hold the request, or a pool with the headers for a proxy:
    only their text is kept. The traceback is removed, because its frames hold them too.
    """
    if isinstance(root, DroppedError):  # the client's exception has its text
        return None
    if type(root).__module__.partition(".")[0] in _LIBRARIES:
        is_of_requests = isinstance(root, requests.RequestException)
        kind = requests.RequestException if is_of_requests else urllib3.exceptions.HTTPError
        root = kind(f"{type(root).__name__}: {root}")
    root.__traceback__ = root.__cause__ = root.__context__ = None
    return None if token in f"{root!r} {vars(root)!r}" else root


def _why_not_sent(what: str, error: BaseException) -> str:
    # The text of the exception quotes the header's value.
    if isinstance(error, requests.exceptions.InvalidHeader):
        return f"{what}: {Advice.HEADERS_OF_SESSION} cannot be sent"
    return f"{what}: {escape_controls(str(error))}"


def proxy_error(what: str, reason: str, proxy: str, *, advice: str = "") -> ProxyError:
    """
    Return the exception for the request *what*, which the proxy at the URL *proxy* did not forward.
    """
    named = f"the proxy {_address(proxy)}" if proxy else "a proxy"
    if _LOGIN_WANTED.search(reason):
        return ProxyError(
            f"{what}: {named} requires a login (status {PROXY_LOGIN}): put a user name and a password"
            f" into the proxy's URL, http://user:password@host:port, {Advice.PROXY}; {reason}"
        )
    if reason.startswith("Tunnel connection failed"):
        return ProxyError(f"{what}: {named} did not connect to the deployment: {reason}")
    advice = advice or f"its URL comes {Advice.PROXY_URL} such as HTTPS_PROXY"
    return ProxyError(f"{what}: {named} cannot be reached: {reason}; {advice}")


def _address(proxy: str) -> str:
    """
    Return the URL of a proxy without user name and password.
    """
    parts = urlsplit(with_scheme(proxy))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_final(error: BaseException) -> bool:
    """
    Whether the same request would fail with *error* again: a certificate was refused, or a proxy
    requires a login.
    """
    chain = _chain(error)
    return bool(certificate_advice(chain)) or bool(_LOGIN_WANTED.search(str(chain[-1])))


def certificate_advice(chain: list[BaseException]) -> str:
    """
    Return text that says what to do about a refused certificate; empty where none was refused.
    """
    for each in chain:
        if isinstance(each, CertificateError):
            return _HOW_TO_NAME
        if isinstance(each, ssl.SSLCertVerificationError):
            # Only an error of a handshake has a code.
            return _BY_CODE.get(getattr(each, "verify_code", 0), _HOW_TO_TRUST)
        if isinstance(each, ssl.SSLError) and _REFUSED_BY_PEER.search(each.reason or ""):
            return _HOW_TO_SHOW
    return ""
