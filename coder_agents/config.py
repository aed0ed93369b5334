"""
The settings of a user, checked once, before any input or output.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import attrs

from coder_agents.addresses import dashboard_page, without_api
from coder_agents.errors import ConfigError
from coder_agents.errors.advice import Advice

TOKEN_HEADER = "Coder-Session-Token"
"""
The header that carries the token, on REST calls and on WebSocket handshakes.
"""

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_FIELD_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?|")  # section 5.5, without letters outside ASCII
_HOSTILE = re.compile(r"[\x00-\x20\x7f-\x9f\s]")

_PROXY_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})

PROXY_FORM = "write the URL of a proxy like http://proxy.example.com:3128"
"""
The advice in an error about the URL of a proxy.
"""

DEFAULT_RETRIES = 3
MAX_TIMEOUT = (2**31 - 1) // 1000
"""
The longest time-out, in seconds: sockets wait in poll(), which counts milliseconds in 32 bits.
"""

Timeout = float | tuple[float | None, float | None] | None
"""
Seconds, or a pair: seconds to connect, and seconds without an answer. None is no limit.
"""

T = TypeVar("T")

File = str | os.PathLike[str]
Cert = File | tuple[File, File]


@attrs.frozen(kw_only=True)
class Settings:
    """
    The settings of a client, checked.

    Fields that may hold secrets are in no repr.
    """

    url: str
    token: str = attrs.field(repr=False)
    connect_timeout: float
    read_timeout: float
    retries: int
    verify: bool | str
    cert: str | tuple[str, str] | None = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    proxies: Mapping[str, str] | None = attrs.field(repr=False)
    user_agent: str | None


def check_settings(
    url: str,
    token: str,
    *,
    timeout: Timeout,
    retries: int | None,
    verify: bool | File | None,
    cert: Cert | None,
    headers: Mapping[str, str] | None,
    proxies: Mapping[str, str] | None,
    user_agent: str | None,
) -> Settings:
    """
    Return the settings, checked.

    Raises *ConfigError*, *ValueError* or *TypeError*, whose text names the setting, what is wrong
    with it, and what would be right.
    """
    connect_timeout, read_timeout = _timeouts(timeout)
    if user_agent is not None:
        _field_value("user_agent", user_agent)
    return Settings(
        url=deployment_url(url),
        token=_token(token),
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries=DEFAULT_RETRIES if retries is None else whole_number("retries", retries, least=0),
        verify=_verify(verify),
        cert=_cert(cert),
        headers=_headers({} if headers is None else headers),
        proxies=None if proxies is None else _proxies(proxies),
        user_agent=user_agent,
    )


def deployment_url(url: str) -> str:
    """
    Return *url* without a trailing slash and without ``/api/v2``; a path prefix is kept.

    Raises *TypeError* where *url* is no text; *ConfigError* where it is not the ``http`` or
    ``https`` URL of a deployment. For the URL of a dashboard page, the error names the right URL.
    """
    if not isinstance(url, str):
        raise TypeError(f"the deployment's URL must be text, not {type(url).__name__}")
    url = url.strip()
    parts = _split(url)
    # Agents are compared by this URL, and the case of a host does not count.
    parts = parts._replace(netloc=parts.netloc.lower(), path=without_api(parts.path).rstrip("/"))
    _refuse_other_urls(url, parts)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        # The error's text is not shown: it may quote a password from the URL.
        problem = True
    else:
        problem = bool(_HOSTILE.search(url))
    if problem:
        raise ConfigError(
            "the deployment's URL cannot be read: write it like https://coder.example.com"
        )
    return parts


def _refuse_other_urls(url: str, parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"the deployment's URL must not hold a user name or password: {Advice.TOKEN}"
        )
    if parts.scheme not in ("http", "https"):
        raise ConfigError(
            f"the deployment's URL must begin with https:// or http://, but it is {url!r}"
        )
    if not parts.hostname:
        raise ConfigError(
            f"the deployment's URL names no host: {url!r}; write it like https://coder.example.com"
        )
    if (page := dashboard_page(parts)) is not None:
        about = f"; the name of the workspace is {page.workspace!r}" if page.workspace else ""
        raise ConfigError(
            "the deployment's URL is the address of a page of its dashboard: use"
            f" {parts.scheme}://{parts.netloc}{page.prefix}{about}"
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            f"the deployment's URL must end before any '?' or '#', but it is {url!r}: use"
            f" {parts.scheme}://{parts.netloc}{parts.path}"
        )


def _token(token: str) -> str:
    if not isinstance(token, str):
        raise TypeError(f"the token must be text, not {type(token).__name__}")
    if not token:
        raise ConfigError("the token is empty: create one with `coder tokens create`")
    if _HOSTILE.search(token) or not token.isascii():
        raise ConfigError(
            "the token contains white space, a control character or a letter outside ASCII:"
            " it was not copied well"
        )
    return token


def _timeouts(timeout: Timeout) -> tuple[float, float]:
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2:
        raise ValueError("timeout must be seconds, or a pair: seconds to connect and to read")
    connect, read = pair
    return _timeout(connect), _timeout(read)


def _timeout(value: float | None) -> float:
    if value is None:
        return MAX_TIMEOUT  # in effect no limit, and a value that every socket accepts
    seconds = positive_seconds("timeout", value)
    if seconds > MAX_TIMEOUT:
        raise ValueError(f"timeout must be at most {MAX_TIMEOUT} seconds (24 days), not {value}")
    return seconds


def positive_seconds(name: str, value: float) -> float:
    """
    Return *value* as a float.

    Raises *TypeError* or *ValueError* where *value* is no finite number above zero.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    # Compared, not converted: a whole number of 400 digits fits no float. NaN is refused, too.
    if not 0 < value <= sys.float_info.max:
        raise ValueError(f"{name} must be a finite number of seconds above 0, not {value}")
    return float(value)


def seconds_or_none(name: str, value: float | None) -> float | None:
    """
    Return *value*, which is 0 or more seconds, or None for no limit.

    Raises *TypeError* or *ValueError* for any other value.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be seconds or None, not {type(value).__name__}")
    if value != value or value < 0:
        raise ValueError(f"{name} must be 0 or more seconds, or None, not {value}")
    return value if value <= sys.float_info.max else math.inf


def function_or_none(name: str, value: T) -> T:
    """
    Return *value*, which is callable or None.

    Raises *TypeError* for any other value.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not {type(value).__name__}")
    return value


def whole_number(name: str, value: int, *, least: int) -> int:
    """
    Return *value*, a whole number of *least* or more.

    Raises *TypeError* or *ValueError* for any other value.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    return value


def _verify(verify: bool | File | None) -> bool | str:
    if verify is None:
        return True
    return verify if isinstance(verify, bool) else _file("verify", verify, "True, False or a path")


def _cert(cert: Cert | None) -> str | tuple[str, str] | None:
    wanted = "a path or a pair of paths: certificate and key"
    if cert is None:
        return None
    if not isinstance(cert, tuple):
        return _file("cert", cert, wanted)
    if len(cert) != 2:
        raise ValueError(f"cert must be {wanted}")
    certificate, key = cert
    return _file("cert", certificate, wanted), _file("cert", key, wanted)


def _file(setting: str, value: object, wanted: str) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{setting} must be {wanted}, not {type(value).__name__}")
    path = os.fsdecode(value)
    if not path:  # requests takes an empty path as False
        raise ConfigError(f"{setting} must be {wanted}, not an empty path")
    return path


def _proxies(proxies: Mapping[Any, Any]) -> dict[str, str]:
    _require_mapping("proxies", proxies, "schemes to URLs")
    for scheme, url in proxies.items():
        # The URL is not shown: it may hold a password.
        if not isinstance(scheme, str) or not isinstance(url, str):
            raise TypeError("proxies must be a mapping of schemes to URLs, all of them text")
        if url and scheme != "no_proxy" and not is_proxy_url(url):
            raise ConfigError(f"proxies has a URL for {scheme!r} that cannot be used: {PROXY_FORM}")
    return {scheme: with_scheme(url) if url else "" for scheme, url in proxies.items()}


def is_proxy_url(url: str) -> bool:
    """
    Whether *url* can be the URL of a proxy; ``http://`` may be missing.
    """
    try:
        parts = urlsplit(with_scheme(url))
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return False
    return parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and not _HOSTILE.search(url)


def with_scheme(url: str) -> str:
    """
    Return *url*, the URL of a proxy, with ``http://`` in front where it has no scheme, as curl
    does.
    """
    return url if "://" in url else f"http://{url}"


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    _require_mapping("headers", headers, "names to values")
    for name, value in headers.items():
        if not is_field_name(name):
            raise ConfigError(f"{name!r} is not the name of an HTTP header")
        if name.lower() == TOKEN_HEADER.lower():
            raise ConfigError(f"the header {TOKEN_HEADER} must not be set: {Advice.TOKEN}")
        _field_value(f"the header {name}", value)
    return dict(headers)


def _require_mapping(setting: str, value: object, of: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{setting} must be a mapping of {of}, not {type(value).__name__}")


def is_field_name(name: object) -> bool:
    """
    Whether *name* can be the name of an HTTP header.
    """
    return isinstance(name, str) and bool(_FIELD_NAME.fullmatch(name))


def _field_value(what: str, value: object) -> None:
    # A line break would add another header. The value is not shown: it may be a secret.
    if not isinstance(value, str) or not _FIELD_VALUE.fullmatch(value):
        raise ConfigError(
            f"{what} must be text in ASCII without line breaks or other control characters, and"
            " without white space at its ends"
        )
