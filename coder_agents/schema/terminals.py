"""
The request and the answer for a terminal through a workspace proxy.
"""

from __future__ import annotations

from uuid import UUID

import attrs

from coder_agents.representation.objects import Represented
from coder_agents.schema.fields import NIL_UUID, identifying, named


@attrs.frozen(kw_only=True, repr=False)
class IssueReconnectingPTYSignedTokenRequest(Represented):
    """
    The request for a token that opens an agent's terminal.

    Attributes:
        url: the terminal's URL on the workspace proxy, ``ws`` or ``wss``.
        agent_id: the id of the agent; ``agentID`` on the wire.
    """

    url: str = ""
    agent_id: UUID = named("agentID", NIL_UUID)


@attrs.frozen(kw_only=True, repr=False)
class IssueReconnectingPTYSignedTokenResponse(Represented):
    """
    The answer with the token. The token is a secret, so the `repr` does not show it.
    """

    signed_token: str = identifying("", repr=False)
