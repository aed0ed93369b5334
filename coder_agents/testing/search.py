"""
The search for workspaces by the query of ``GET /workspaces``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from coder_agents.schema import Response as Message
from coder_agents.schema import ValidationError, WorkspaceStatus
from coder_agents.testing.documents import TEMPLATE_NAME, answer
from coder_agents.testing.requirements import Refusal
from coder_agents.testing.state import State
from coder_agents.testing.workspace import EmbeddedWorkspace

# The key of a term in the query, and all values of the key.
Terms = dict[str, list[str]]

Condition = Callable[[EmbeddedWorkspace], bool]


class BadTerm(Exception):
    """
    A part of the query is invalid.

    *field* is the key of the part, *detail* says what is wrong.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = ValidationError(field=field, detail=detail)


def search(state: State, query: str) -> list[EmbeddedWorkspace]:
    """
    Return the workspaces that *query* finds, without deleted ones: running ones first, then by
    owner and by name.

    All terms must hold. A word without a key is part of a name, or of both in ``owner/name``. Of a
    repeated key, the first value counts.

    Raises:
        Refusal: the query is invalid.
    """
    try:
        terms = split_terms(query.lower())
    except BadTerm as error:
        raise _refusal([error.problem]) from None
    conditions, problems = [], []
    for key, values in terms.items():
        try:
            conditions.append(_condition(state, key, values[0]))
        except BadTerm as error:
            problems.append(error.problem)
    if problems:
        raise _refusal(problems)
    present = [each for each in list(state.workspaces) if not each.deleted]
    found = [each for each in present if all(keep(each) for keep in conditions)]
    return sorted(found, key=_sort_key)


def split_terms(query: str) -> Terms:
    """
    Return the terms of *query*, separated by spaces outside of double quotes.

    Raises:
        BadTerm: a term has too many parts, or an empty one.
    """
    terms: Terms = {}
    for element in filter(None, split(query, " ", keep_quotes=True)):
        if element.startswith(":") or element.endswith(":"):
            raise BadTerm("q", f"Query element \"{element}\" cannot start or end with ':'")
        parts = split(element, ":")
        if len(parts) > 2:
            raise BadTerm("q", f"Query element \"{element}\" can only contain 1 ':'")
        for key, value in [parts] if len(parts) == 2 else _of_name(element):
            terms.setdefault(key, []).append(value)
    return terms


def _of_name(element: str) -> list[list[str]]:
    parts = split(element, "/")
    if len(parts) > 2:
        raise BadTerm("q", f"Query element \"{element}\" can only contain 1 '/'")
    return [[key, part] for key, part in zip(("name", "owner"), reversed(parts), strict=False)]


def split(text: str, delimiter: str, *, keep_quotes: bool = False) -> list[str]:
    """
    Return the parts of *text* between *delimiter*, except where it is in double quotes.
    """
    parts, quoted = [""], False
    for char in text:
        quoted ^= char == '"'
        if char == delimiter and not quoted:
            parts.append("")
        elif char != '"' or keep_quotes:
            parts[-1] += char
    return parts


def _condition(state: State, key: str, value: str) -> Condition:
    if key not in KEYS:
        raise BadTerm(key, f'"{key}" is not a valid query param')
    return KEYS[key](state, value)


def _by_owner(state: State, value: str) -> Condition:
    return lambda found: found.owner.name.lower() == (state.me.name if value == "me" else value)


def _by_name(state: State, value: str) -> Condition:
    return lambda found: value in found.name.lower()


def _by_template(state: State, value: str) -> Condition:
    return lambda found: value == TEMPLATE_NAME


def _by_status(state: State, value: str) -> Condition:
    if not WorkspaceStatus(value).known:
        detail = f'Query param "status" has invalid value: "{value}" is not a valid value'
        raise BadTerm("status", detail)
    return lambda found: found.latest_build.status == value


def _by_agents(state: State, value: str) -> Condition:
    wanted = set(value.split(","))

    def keep(found: EmbeddedWorkspace) -> bool:
        build = found.latest_build
        return build.listed and any(agent.data.status in wanted for agent in build.agents)

    return keep


def _by_id(state: State, value: str) -> Condition:
    wanted, bad = set(), []
    for text in value.split(","):
        try:
            wanted.add(UUID(text.strip()))
        except ValueError:
            bad.append(text)
    if bad:
        raise BadTerm("id", f'Query param "id" has invalid values: {",".join(bad)}')
    return lambda found: found.id in wanted


KEYS: Mapping[str, Callable[[State, str], Condition]] = {
    "owner": _by_owner,
    "name": _by_name,
    "template": _by_template,
    "status": _by_status,
    "has-agent": _by_agents,
    "id": _by_id,
}


def _sort_key(found: EmbeddedWorkspace) -> tuple[bool, str, str]:
    running = found.latest_build.status == WorkspaceStatus.RUNNING
    return not running, found.owner.name.lower(), found.name.lower()


def _refusal(problems: list[ValidationError]) -> Refusal:
    text = "Invalid workspace search query."
    return Refusal(answer(Message(message=text, validations=tuple(problems)), 400))
