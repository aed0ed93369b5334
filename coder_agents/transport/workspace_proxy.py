"""
Requests to a workspace proxy, which is another host than the deployment.
"""

from __future__ import annotations

import attrs

from coder_agents.config import TOKEN_HEADER, Settings
from coder_agents.transport.http import HTTP


class WorkspaceProxyHTTP(HTTP):
    """
    A workspace proxy: it gets neither the session token nor the headers that are meant for the deployment.

    Its settings are those of the deployment otherwise. The session token stays in them, so that it is
    taken out of a text in which the proxy might repeat it.

    Args:
        settings: the deployment's.
        url: the proxy, as `deployment_url` returns it.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        super().__init__(attrs.evolve(settings, url=url, headers={}))

    def request_headers(self) -> dict[str, str]:
        """
        Return the headers of every request, without a token.
        """
        headers = super().request_headers()
        del headers[TOKEN_HEADER]
        return headers
