"""
The root of all errors, and two that nothing else is related to.
"""

from __future__ import annotations

from typing import Any


class CoderError(Exception):
    """
    The root of all errors of this package.

    Attributes:
        last_id: where the error ended a followed log, the newest id that the stream yielded.
        bookmark: where the error ended a followed log, what another stream takes as ``after=`` to
            continue with no line lost or repeated; for several agents' logs, a mapping.
    """

    last_id: int | None = None
    bookmark: Any = None


class ConfigError(CoderError, ValueError):
    """
    The settings do not say how to reach a deployment: nothing was sent.

    Raised for a missing or malformed URL, token, time-out, header or TLS
    setting. Where something was looked for, the text names each place.
    """


class DecodeError(CoderError, ValueError):
    """
    What came is not what the API promises.

    Attributes:
        path: where in the document, such as ``$.apps[3].health``.
        wanted: the type that belongs there.
        found: a short cut of what was there.
        by_deployment: False for the page of something between, such as a login page.
        method: the request's method; empty where the text came with no answer.
        url: the request's URL; empty where the text came with no answer.
    """

    def __init__(
        self,
        text: str = "",
        *,
        path: str = "$",
        wanted: str = "",
        found: str = "",
        by_deployment: bool = True,
        method: str = "",
        url: str = "",
    ) -> None:
        super().__init__(text)
        self.by_deployment = by_deployment
        self.method = method
        self.url = url
        self.path = path
        self.wanted = wanted
        self.found = found
