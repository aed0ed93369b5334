"""
Faults that give another answer than the right one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coder_agents.testing.exchange import Exchange
from coder_agents.testing.faults.fault import RequestFault
from coder_agents.testing.http import Headers, Response


class Refuse(RequestFault):
    """
    Another answer than the right one, as from something in between.

    Options:
        status: the HTTP status.
        headers: its headers, a mapping or pairs.
        body: its body.
    """

    kind = "refuse"

    def __init__(
        self,
        *,
        status: int = 503,
        headers: Mapping[str, str] | Headers = (),
        body: str | bytes = b"",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        fields = tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
        data = body.encode() if isinstance(body, str) else body
        self.response = Response(status, data, fields)

    def on_request(self, exchange: Exchange) -> Response | None:
        """
        Answer without what the deployment itself would add.
        """
        exchange.headers = ()
        return self.response


class Redirect(Refuse):
    """
    An answer that leads elsewhere.

    Options:
        url: where to.
        status: the HTTP status.
    """

    kind = "redirect"

    def __init__(self, *, url: str, status: int = 307, **common: Any) -> None:
        super().__init__(status=status, headers={"Location": url}, **common)


class Html(Refuse):
    """
    The page of a proxy in between.

    Options:
        status: the HTTP status.
    """

    kind = "html"

    def __init__(self, *, status: int = 502, **common: Any) -> None:
        page = f"<!doctype html>\n<title>{status}</title>\n"
        kind = {"Content-Type": "text/html; charset=utf-8"}
        super().__init__(status=status, headers=kind, body=page, **common)


class NotConnected(Refuse):
    """
    The 400 of a call that needs a connected agent.
    """

    kind = "not_connected"

    def __init__(self, **common: Any) -> None:
        told = 'Agent state is "disconnected", it must be in the "connected" state.'
        kind = {"Content-Type": "application/json; charset=utf-8"}
        body = json.dumps({"message": told})
        super().__init__(status=400, headers=kind, body=body, **common)
