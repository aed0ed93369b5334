"""
The cells of the tables of views: metadata as short text, safe to show.
"""

from __future__ import annotations

from coder_agents.errors import APIError
from coder_agents.render import cut_to_width, single_line
from coder_agents.schema import WorkspaceAgentMetadata

MAX_NAME = 30  # columns
MAX_VALUE = 60
_MAX_READ = 2_000  # characters of a text that are looked at, of which only a few are shown


def short(text: str, width: int) -> str:
    """
    Return *text* as one line of at most *width* columns, safe to show; see `single_line`.
    """
    return cut_to_width(single_line(text[:_MAX_READ].lstrip()), width)


def name_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return the name of *item* for people; its key where it has no other.
    """
    return short(item.description.display_name or item.description.key, MAX_NAME)


def value_of(item: WorkspaceAgentMetadata, width: int = MAX_VALUE) -> str:
    """
    Return the value of *item*.
    """
    return short(item.result.value, width)


def error_text(error: Exception, width: int = MAX_VALUE) -> str:
    """
    Return the text of *error*; of a refusal, the status and the message.
    """
    if isinstance(error, APIError):
        return short(f"{error.status_code}: {error.message}", width)
    return short(str(error), width)


def age_of(item: WorkspaceAgentMetadata) -> str | None:
    """
    Return the age of the value of *item* in its largest unit, such as ``5 s``; None where there is none.
    """
    age = item.result.age
    if age is None:
        return None
    for seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age >= 2 * seconds:
            return f"{age // seconds} {unit}"
    return f"{age} s"


def problem_of(item: WorkspaceAgentMetadata, width: int = MAX_VALUE) -> str:
    """
    Return what is wrong with *item*: its error, or that it is pending or stale; else an empty text.
    """
    if item.result.error:
        return short(item.result.error, width)
    if item.pending:
        return "pending"
    return "stale" if item.stale else ""
