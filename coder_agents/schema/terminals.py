"""
What it takes to open a terminal through a workspace proxy.
"""

from __future__ import annotations

from uuid import UUID

import attrs

from coder_agents.schema.fields import NIL_UUID, identifying, named


@attrs.frozen(kw_only=True)
class IssueReconnectingPTYSignedTokenRequest:
    """
    Asks for a token that opens one agent's terminal.

    Attributes:
        url: the terminal's URL on the workspace proxy, ``ws`` or ``wss``.
        agent_id: the agent; ``agentID`` on the wire.
    """

    url: str = ""
    agent_id: UUID = named("agentID", NIL_UUID)


@attrs.frozen(kw_only=True)
class IssueReconnectingPTYSignedTokenResponse:
    """
    The token that was asked for. It is a secret, so its `repr` does not show it.
    """

    signed_token: str = identifying("", repr=False)
