"""
From JSON to schema classes with msgspec, where it is installed.

msgspec builds log lines, metadata, containers and ports itself, any other schema class by way of
`structures`. It is stricter than the validating reader in some places, such as null for a text. It
accepts more in three: bytes that are not UTF-8 in a field that it skips, integers of any width,
times without a zone. A check after it covers these three. So a caller that turns to the validating
reader after a refusal always gets the result of the validating reader.

msgspec builds objects without calling ``__init__``, which changes nothing in a schema class.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import msgspec

from coder_agents.schema import structures
from coder_agents.schema.containers import WorkspaceAgentListContainersResponse
from coder_agents.schema.fields import NO_AGE
from coder_agents.schema.logs import LogLineID, WorkspaceAgentLog
from coder_agents.schema.metadata import WorkspaceAgentMetadata
from coder_agents.schema.ports import WorkspaceAgentListeningPortsResponse
from coder_agents.schema.scalars import GREATEST, LEAST, Mismatch
from coder_agents.schema.shapes import is_class
from coder_agents.schema.structures import YEAR_2, without_zero

# UnicodeError: bytes that are not UTF-8, or text with half a surrogate pair. TypeError: a time
# without a zone cannot be compared.
REFUSALS = (msgspec.DecodeError, UnicodeError, RecursionError, Mismatch, TypeError, OverflowError)
"""
What a reader raises where only the validating reader can answer.
"""

_FEW = 5  # below this number of items a loop costs less than lists of their times and ids

Line = TypeVar("Line", WorkspaceAgentLog, LogLineID)
Read = Callable[[str | bytes], Any]


@cache
def reader(cls: Any) -> Read | None:
    """
    Return the function that reads JSON as *cls*, which raises one of `REFUSALS`.

    None for a type that is neither a schema class nor one of the lists that streams read.
    """
    if cls in _CHECKS:
        return _reader(cls, _CHECKS[cls])
    return _reader(structures.structure(cls), structures.maker(cls)) if is_class(cls) else None


def _reader(kind: Any, finish: Callable[[Any], Any]) -> Read:
    decode = msgspec.json.Decoder(kind).decode

    def read(text: str | bytes) -> Any:
        made = finish(decode(text))
        if isinstance(text, bytes) and not text.isascii():
            str(text, "utf-8")
        return made

    return read


def logs_of(texts: Sequence[bytes]) -> list[WorkspaceAgentLog]:
    """
    Return the lines of the JSON lists *texts*; raises one of `REFUSALS`.
    """
    logs = _checked_logs(list(chain.from_iterable(map(_decode_logs, texts))))
    if not all(map(bytes.isascii, texts)):
        for text in texts:
            str(text, "utf-8")
    return logs


_decode_logs = msgspec.json.Decoder(list[WorkspaceAgentLog]).decode


def _checked_logs(logs: list[WorkspaceAgentLog]) -> list[WorkspaceAgentLog]:
    if len(logs) >= _FEW:
        _checked_ids(logs)
        if _all_late([log.created_at for log in logs]):
            return logs
    for log in logs:
        if not LEAST <= log.id <= GREATEST:
            raise Mismatch
        # Not by a call, as most messages have a single line.
        if log.created_at is None or log.created_at < YEAR_2:
            _clear_zero_time(log, log.created_at, "created_at")
    return logs


def _checked_ids(lines: list[Line]) -> list[Line]:
    array("q", [line.id for line in lines])  # OverflowError for more than 64 bits
    return lines


def _checked_metadata(items: list[WorkspaceAgentMetadata]) -> list[WorkspaceAgentMetadata]:
    results = [item.result for item in items]
    if NO_AGE in [result.age for result in results]:
        for result in results:
            if result.age == NO_AGE:
                object.__setattr__(result, "age", None)  # nobody else has this object yet
    if len(items) < _FEW or not _all_late([result.collected_at for result in results]):
        for result in results:
            _clear_zero_time(result, result.collected_at, "collected_at")
    return items


def _checked_containers(
    answer: WorkspaceAgentListContainersResponse,
) -> WorkspaceAgentListContainersResponse:
    inside = [devcontainer.container for devcontainer in answer.devcontainers]
    for container in (*answer.containers, *inside):
        if container is not None:
            _clear_zero_time(container, container.created_at, "created_at")
    return answer


def _checked_ports(
    answer: WorkspaceAgentListeningPortsResponse,
) -> WorkspaceAgentListeningPortsResponse:
    return answer


def _all_late(times: list[Any]) -> bool:
    """
    Return whether all *times* have a zone and none can be the zero time.
    """
    try:
        return bool(min(times) >= YEAR_2)
    except TypeError:  # null, or a time without a zone
        return False


def _clear_zero_time(holder: object, time: datetime | None, name: str) -> None:
    """
    Put None in the place of the zero time. Raises TypeError for a time without a zone.
    """
    if time is not None and without_zero(time) is None:
        object.__setattr__(holder, name, None)  # nobody else has this object yet


_CHECKS: dict[Any, Callable[[Any], Any]] = {
    list[WorkspaceAgentLog]: _checked_logs,
    list[LogLineID]: _checked_ids,
    list[WorkspaceAgentMetadata]: _checked_metadata,
    WorkspaceAgentListContainersResponse: _checked_containers,
    WorkspaceAgentListeningPortsResponse: _checked_ports,
}
