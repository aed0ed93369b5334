"""
Text of others as the values of labels.
"""

from __future__ import annotations

import hashlib
from typing import Any

from coder_agents.render import escape_controls

MAX_LENGTH = 128
"""
The characters of a label's value.
"""

_DIGEST = 8  # characters that keep apart two texts of the same beginning

AGENT_LABELS = ("workspace", "owner", "agent")
"""
The labels of every metric of an agent.
"""


def label_value(text: str) -> str:
    """
    Return *text* as the value of a label: one line of at most `MAX_LENGTH` characters.

    Control characters, and half surrogate pairs, which have no UTF-8, are shown by their codes. A
    longer text ends with a checksum, so that different texts stay different.
    """
    value = escape_controls(text)
    if len(value) <= MAX_LENGTH:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:_DIGEST]
    return f"{value[: MAX_LENGTH - _DIGEST - 1]}…{digest}"


def labels_of(agent: Any) -> tuple[str, str, str]:
    """
    Return the values of `AGENT_LABELS` for *agent*, which was found through its workspace.
    """
    workspace = agent.workspace
    return label_value(workspace.name), label_value(workspace.owner_name), label_value(agent.name)
