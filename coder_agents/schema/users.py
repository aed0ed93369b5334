"""
Users of the deployment.
"""

from __future__ import annotations

from uuid import UUID

import attrs

from coder_agents.representation.objects import Represented
from coder_agents.schema.fields import NIL_UUID, identifying, maybe_absent


@attrs.frozen(kw_only=True, repr=False)
class User(Represented):
    """
    A user. Other fields of the deployment's answer are ignored.

    Attributes:
        id: the user's id.
        username: the user's name in URLs.
        name: the user's name for people, or empty.
        email: the user's email address.
    """

    id: UUID = identifying(NIL_UUID)
    username: str = identifying("")
    name: str = maybe_absent("")
    email: str = ""
