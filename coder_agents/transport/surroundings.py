"""
The proxies and the certificate authorities that the environment sets, as requests reads them.

Requests goes through the whole environment four times for each request, which takes longer than
sending the request. A client's own session leaves that to these functions.
"""

from __future__ import annotations

import os
import sys

import requests.utils

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
