"""
Users of the deployment.
"""

from __future__ import annotations

from uuid import UUID

import attrs

from coder_agents.schema.fields import NIL_UUID, identifying, maybe_absent


@attrs.frozen(kw_only=True)
class User:
    """
    Who somebody is. A part of what the deployment sends; the rest is ignored.

    Attributes:
        id: of the user.
        username: the name in URLs.
        name: the name for people, or empty.
        email: the address.
    """

    id: UUID = identifying(NIL_UUID)
    username: str = identifying("")
    name: str = maybe_absent("")
    email: str = ""
