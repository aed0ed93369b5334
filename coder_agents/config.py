"""
Where the deployment's URL, its token and its TLS settings come from.

Everything a user can set is checked here, once, before any input or output.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import attrs

from coder_agents.errors import ConfigError

TOKEN_HEADER = "Coder-Session-Token"
"""
The header that carries the token, on REST calls and on WebSocket handshakes.
"""

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_HOSTILE = re.compile(r"[\x00-\x20\x7f-\x9f\s]")

T = TypeVar("T")

Cert = str | tuple[str, str]


@attrs.frozen(kw_only=True)
class Settings:
    """
    What a client was told, checked.

    The fields that may hold secrets are in no repr.
    """

    url: str
    token: str = attrs.field(repr=False)
    connect_timeout: float
    read_timeout: float
    retries: int
    verify: bool | str
    cert: Cert | None = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    proxies: Mapping[str, str] | None = attrs.field(repr=False)
    user_agent: str | None


def check_settings(
    url: str,
    token: str,
    *,
    timeout: float | tuple[float, float],
    retries: int,
    verify: bool | str | os.PathLike[str],
    cert: Cert | None,
    headers: Mapping[str, str] | None,
    proxies: Mapping[str, str] | None,
    user_agent: str | None,
) -> Settings:
    """
    Return the settings, or raise *ConfigError*, *ValueError* or *TypeError*
    saying what is wrong with which of them and what would be right.
    """
    connect_timeout, read_timeout = _timeouts(timeout)
    if user_agent is not None:
        _field_value("user_agent", user_agent)
    return Settings(
        url=deployment_url(url),
        token=_token(token),
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries=_retries(retries),
        verify=verify if isinstance(verify, bool) else os.fspath(verify),
        cert=cert,
        headers=_headers(headers or {}),
        proxies=None if proxies is None else dict(proxies),
        user_agent=user_agent,
    )


def deployment_url(url: str) -> str:
    """
    Return *url* without a trailing slash; a path prefix is kept.

    Raises *ConfigError* for anything that is not the ``http`` or ``https``
    URL of a deployment.
    """
    if not isinstance(url, str):
        raise TypeError(f"the deployment's URL must be text, not {type(url).__name__}")
    url = url.strip()
    parts = _split(url)
    _refuse_what_is_not_a_deployment(url, parts)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        # Its text may quote what the URL holds, a password among it.
        problem = True
    else:
        problem = bool(_HOSTILE.search(url))
    if problem:
        raise ConfigError(
            "the deployment's URL cannot be read: write it like https://coder.example.com"
        )
    return parts


def _refuse_what_is_not_a_deployment(url: str, parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "the deployment's URL must not hold a user name or password: pass the token as token="
        )
    if parts.scheme not in ("http", "https"):
        raise ConfigError(
            f"the deployment's URL must begin with https:// or http://, but it is {url!r}"
        )
    if not parts.hostname:
        raise ConfigError(
            f"the deployment's URL names no host: {url!r}; write it like https://coder.example.com"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"the deployment's URL must end before any '?' or '#', but it is {url!r}")


def _token(token: str) -> str:
    if not isinstance(token, str):
        raise TypeError(f"the token must be text, not {type(token).__name__}")
    if not token:
        raise ConfigError("the token is empty: make one with `coder tokens create`")
    if _HOSTILE.search(token) or not token.isascii():
        raise ConfigError(
            "the token holds white space, a control character or a letter outside ASCII:"
            " it was not copied well"
        )
    return token


def _timeouts(timeout: float | tuple[float, float]) -> tuple[float, float]:
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2:
        raise ValueError("timeout must be seconds, or a pair: seconds to connect and to read")
    connect, read = pair
    return positive_seconds("timeout", connect), positive_seconds("timeout", read)


def positive_seconds(name: str, value: float) -> float:
    """
    Return *value* as a float; raise where it is no finite number above zero.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    # Compared, not converted: a whole number of 400 digits fits no float.
    if not 0 < value <= sys.float_info.max:  # nor does NaN
        raise ValueError(f"{name} must be a finite number of seconds above 0, not {value}")
    return float(value)


def seconds_or_none(name: str, value: float | None) -> float | None:
    """
    Return *value*; raise where it is no number of 0 or more, nor None.
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
    Return *value*; raise where it can neither be called nor is None.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not {type(value).__name__}")
    return value


def whole_number(name: str, value: int, *, least: int) -> int:
    """
    Return *value*; raise where it is no whole number of *least* or more.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    return value


def _retries(retries: int) -> int:
    return whole_number("retries", retries, least=0)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _is_field_name(name):
            raise ConfigError(f"{name!r} is not the name of an HTTP header")
        if name.lower() == TOKEN_HEADER.lower():
            raise ConfigError(f"pass the token as token=, not as the header {TOKEN_HEADER}")
        _field_value(f"the header {name}", value)
    return dict(headers)


def _is_field_name(name: object) -> bool:
    return isinstance(name, str) and bool(_FIELD_NAME.fullmatch(name))


def _field_value(what: str, value: object) -> None:
    # A line break would smuggle in another header.
    if not isinstance(value, str) or any(c in value for c in "\r\n\0"):
        raise ConfigError(f"{what} must be text without line breaks")


def from_environment(
    environ: Mapping[str, str], *, url: str | None, token: str | None
) -> dict[str, object]:
    """
    Return the keyword arguments of a client that *environ* and the files of
    Coder's CLI hold.

    In this order: what is given here, ``CODER_URL`` and ``CODER_SESSION_TOKEN``,
    the files ``url`` and ``session`` in the CLI's folder. ``CODER_HEADER`` and
    ``CODER_CLIENT_TLS_*`` are read as the CLI reads them.

    Raises *ConfigError*, naming each place, where there is no URL or no token.
    """
    folder = config_folder(environ)
    return {
        "url": _find("URL", url, environ, "CODER_URL", folder / "url"),
        "token": _find("token", token, environ, "CODER_SESSION_TOKEN", folder / "session"),
        **_environment_headers(environ),
        **_environment_tls(environ),
    }


def config_folder(environ: Mapping[str, str]) -> Path:
    """
    Return the folder in which Coder's CLI keeps its URL and token.
    """
    if named := environ.get("CODER_CONFIG_DIR"):
        return Path(named)
    if sys.platform == "win32":  # pragma: no cover (only on Windows)
        return Path(environ.get("APPDATA", "~")).expanduser() / "coderv2"
    if sys.platform == "darwin":  # pragma: no cover (only on macOS)
        return Path("~/Library/Application Support/coderv2").expanduser()
    base = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "coderv2"


def _find(
    what: str, given: str | None, environ: Mapping[str, str], variable: str, file: Path
) -> str:
    if given is not None:
        return given
    if found := environ.get(variable):
        return found
    if found := _file_text(file):
        return found
    raise ConfigError(
        f"no {what} of a Coder deployment: no argument was given,"
        f" the environment variable {variable} is not set,"
        f" and the file {file} (made by `coder login`) is not there or empty"
    )


def _file_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _environment_headers(environ: Mapping[str, str]) -> dict[str, object]:
    pair = environ.get("CODER_HEADER")
    if not pair:
        return {}
    name, equals, value = pair.partition("=")
    if not equals:
        raise ConfigError("the environment variable CODER_HEADER must be like name=value")
    return {"headers": {name: value}}


def _environment_tls(environ: Mapping[str, str]) -> dict[str, object]:
    settings: dict[str, object] = {}
    if authority := environ.get("CODER_CLIENT_TLS_CA_FILE"):
        settings["verify"] = authority
    certificate = environ.get("CODER_CLIENT_TLS_CERT_FILE")
    key = environ.get("CODER_CLIENT_TLS_KEY_FILE")
    if bool(certificate) != bool(key):
        raise ConfigError(
            "CODER_CLIENT_TLS_CERT_FILE and CODER_CLIENT_TLS_KEY_FILE go together:"
            " set both or neither"
        )
    if certificate and key:
        settings["cert"] = (certificate, key)
    return settings
