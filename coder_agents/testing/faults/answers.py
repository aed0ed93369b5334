"""
Faults that replace the regular answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults.fault import RequestFault
from coder_agents.testing.http import Headers, ServerResponse

JSON_HEADERS = (("Content-Type", "application/json; charset=utf-8"),)


class Refuse(RequestFault):
    """
    Another answer than the regular one, from a proxy in between or from the deployment.

    Options:
        status: the HTTP status.
        headers: its headers, a mapping or pairs, such as ``Retry-After``.
        body: its body.
        message: a message of the deployment itself, in place of a body: the answer is the
            deployment's JSON with its regular headers.
    """

    kind = "refuse"

    def __init__(
        self,
        *,
        status: int = 503,
        headers: Mapping[str, str] | Headers = (),
        body: str | bytes = b"",
        message: str = "",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if body and message:
            raise ValueError("an answer has a body or a message, not both")
        fields = tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
        if message:
            body, fields = json.dumps({"message": message}), (*fields, *JSON_HEADERS)
        data = body.encode() if isinstance(body, str) else body
        self.by_deployment = bool(message)
        self.response = ServerResponse(status, data, fields)

    def on_request(self, exchange: ServerExchange) -> ServerResponse | None:
        """
        Answer; an answer of a proxy has none of the deployment's headers.
        """
        if not self.by_deployment:
            exchange.headers = ()
        return self.response


class Redirect(Refuse):
    """
    An answer that redirects to another URL.

    Options:
        url: the target.
        status: the HTTP status.
    """

    kind = "redirect"

    def __init__(self, *, url: str, status: int = 307, **common: Any) -> None:
        super().__init__(status=status, headers={"Location": url}, **common)


class Html(Refuse):
    """
    An HTML page of a proxy in between: an error, maintenance or a login page.

    Options:
        status: the HTTP status.
        title: the title of the page; by default the status.
        headers: headers in addition to the content's type.
    """

    kind = "html"

    def __init__(
        self,
        *,
        status: int = 502,
        title: str = "",
        headers: Mapping[str, str] | None = None,
        **common: Any,
    ) -> None:
        page = f"<!doctype html>\n<title>{title or status}</title>\n"
        fields = {"Content-Type": "text/html; charset=utf-8", **(headers or {})}
        super().__init__(status=status, headers=fields, body=page, **common)


class NotConnected(Refuse):
    """
    The 400 of a call that needs a connected agent.
    """

    kind = "not_connected"

    def __init__(self, **common: Any) -> None:
        message = 'Agent state is "disconnected", it must be in the "connected" state.'
        super().__init__(status=400, message=message, **common)
