"""
The proxies and the certificate authorities, as the settings and the environment set them.

The environment is read as requests reads it.

Requests goes through the whole environment four times for each request, which takes longer than
sending the request. A client's own session leaves that to these functions.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import requests.utils

from coder_agents.config import PROXY_FORM, Settings, is_proxy_url
from coder_agents.errors import ConfigError

# The settings of these systems contain proxies beside the environment.
_SYSTEM_HAS_PROXIES = sys.platform in ("darwin", "win32")


def proxies_for(url: str) -> dict[str, str]:
    """
    Return the proxies that apply to requests of *url*, by scheme; read at each call.
    """
    if _SYSTEM_HAS_PROXIES or any(name[-6:].lower() == "_proxy" for name in os.environ):
        return dict(requests.utils.get_environ_proxies(url))
    return {}


def authorities() -> str | bool:
    """
    Return the path of the certificate authorities to trust, or True for those of requests.
    """
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def chosen_proxy(settings: Settings) -> dict[str, str]:
    """
    Return the deployment's proxy under its scheme, as requests takes it; nothing where no proxies
    are set, and an empty URL where none of them is the deployment's.
    """
    if settings.proxies is None:
        return {}
    proxy = requests.utils.select_proxy(settings.url, settings.proxies)
    return {urlsplit(settings.url).scheme: proxy or ""}


def check_files(**settings: object) -> None:
    """
    Raise *ConfigError* where a file of the TLS *settings* is not there.
    """
    for setting, value in settings.items():
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, str) and not os.path.exists(path):
                raise ConfigError(f"{setting} names a file that does not exist: {path}")


def check_proxy(proxy: str) -> None:
    """
    Raise *ConfigError* where the URL *proxy* of the environment or the session cannot be used.
    """
    # Not shown, and not left to the libraries, whose errors show it: it may hold a password.
    if proxy and not is_proxy_url(proxy):
        raise ConfigError(
            "the URL of the proxy, in an environment variable such as HTTPS_PROXY or on the session,"
            f" cannot be used: {PROXY_FORM}"
        )
