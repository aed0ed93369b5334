"""
Cookies that a deployment sets, kept out of the jar of a session that is not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

Hooks = dict[str, list[Callable[..., Any]]]


def hooks_without_cookies(session: requests.Session) -> Hooks:
    """
    Return the hooks of a request through *session* whose answer leaves the session's jar as it is.

    The session's own hooks are among them, as a request's hooks take their place. An
    authentication of the session adds its hooks before these.
    """
    own = session.hooks.get("response") or []
    return {"response": [*([own] if callable(own) else own), _take_cookies]}


def _take_cookies(response: requests.Response, **_: Any) -> None:
    """
    Take away from *response*, once it is read, what requests takes cookies from.
    """
    # An authentication that needed two requests has its first answer in the history.
    for each in (*response.history, response):
        assert each.content is not None
        each.raw = None
