"""
The requests that a deployment has received.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class RecordedRequest:
    """
    A request that the deployment received.

    Attributes:
        route: the name of its route; empty where it has none.
        method: the HTTP method.
        target: path and query as received.
        headers: under lower-case names.
        connection: the number of its connection; the first is 1.
    """

    route: str
    method: str
    target: str
    headers: dict[str, str]
    connection: int
