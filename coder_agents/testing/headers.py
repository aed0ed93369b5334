"""
The headers of every answer of a deployment.
"""

from __future__ import annotations

import secrets
from email.utils import format_datetime
from typing import TYPE_CHECKING

from coder_agents.testing.http import Headers

if TYPE_CHECKING:
    from coder_agents.testing.state import State


def headers_of_answers(state: State) -> Headers:
    """
    Return the headers of an answer that the deployment of *state* sends now.
    """
    cookie = f"csrf_token={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite=Lax"
    return (
        ("Date", format_datetime(state.now(), usegmt=True)),
        ("Set-Cookie", cookie),
        ("X-Coder-Build-Version", state.release.version),
    )
