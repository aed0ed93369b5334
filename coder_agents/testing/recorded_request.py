"""
What a deployment keeps of the requests it got.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class RecordedRequest:
    """
    A request that the deployment got.

    Attributes:
        route: the name of its route; empty where it has none.
        method: the HTTP method.
        target: path and query as they came.
        headers: under lower-case names.
        connection: the number of the connection it came on; the first is 1.
    """

    route: str
    method: str
    target: str
    headers: dict[str, str]
    connection: int
