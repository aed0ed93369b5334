"""
The way to an agent's terminals: the deployment itself, or one of its workspace proxies.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

import attrs

from coder_agents.config import deployment_url
from coder_agents.terminal.attachment import Attachment, TerminalRequest
from coder_agents.transport import WorkspaceProxyHTTP, quoted

if TYPE_CHECKING:
    from coder_agents.transport import HTTP


class TerminalRoute(Protocol):
    """
    Makes attachments.
    """

    def attachment(self, request: TerminalRequest) -> Attachment:
        """
        Return an attachment to the terminal of *request*, unopened.
        """
        ...


@attrs.frozen
class Direct:
    """
    Through the deployment.

    Attributes:
        http: the deployment.
        agent_id: the agent.
    """

    http: HTTP
    agent_id: uuid.UUID

    def attachment(self, request: TerminalRequest) -> Attachment:
        """
        Return an attachment; see `TerminalRoute.attachment`.
        """
        return Attachment(self.http, self.agent_id, request)


@attrs.frozen
class Proxied:
    """
    Through a workspace proxy, which admits whoever has a token that the deployment signed for this terminal.

    Attributes:
        http: the proxy.
        agent_id: the agent.
        sign: returns such a token for the URL of a terminal.
    """

    http: WorkspaceProxyHTTP
    agent_id: uuid.UUID
    sign: Callable[[str], str] = attrs.field(repr=False)

    @classmethod
    def of(cls, http: HTTP, agent_id: uuid.UUID, url: str, sign: Callable[[str], str]) -> Proxied:
        """
        Return the way through the proxy *url* of the deployment *http*.

        Raises *TypeError* or *ConfigError* for a *url* that is none.
        """
        checked = deployment_url(url)
        key = "workspace proxy", checked
        if key not in http.held:
            http.held.setdefault(key, WorkspaceProxyHTTP(http.settings, checked))
        return cls(cast("WorkspaceProxyHTTP", http.held[key]), agent_id, sign)

    def attachment(self, request: TerminalRequest) -> Attachment:
        """
        Return an attachment; see `TerminalRoute.attachment`.
        """
        # http becomes ws, and https wss.
        path = quoted("workspaceagents", self.agent_id, "pty")
        url = self.http.url(path).replace("http", "ws", 1)
        return _SignedAttachment(self.http, self.agent_id, request, lambda: self.sign(url))


class _SignedAttachment(Attachment):
    """
    An attachment that gets its token when it is opened: a token is valid for a minute.
    """

    def __init__(
        self, http: HTTP, agent_id: uuid.UUID, request: TerminalRequest, sign: Callable[[], str]
    ) -> None:
        super().__init__(http, agent_id, request)
        self._sign = sign

    def open(self) -> None:
        """
        Get a token and connect; see `Attachment.open`.
        """
        self._source.sign(self._sign())
        super().open()
