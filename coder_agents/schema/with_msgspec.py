"""
Reading schema classes from JSON with msgspec, where it is installed.

msgspec itself builds log lines, metadata, containers and ports. It builds the other schema classes
by way of `structures`. msgspec is stricter than the validating reader in some cases, such as null
for a text. It accepts more in three cases: bytes that are not UTF-8 in a field that it skips,
integers of any width, and times without a zone. Checks after msgspec cover these three cases. So a
caller that uses the validating reader after a refusal always gets the validating reader's result.

msgspec builds objects without calling ``__init__``, which makes no difference for a schema class.
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
from coder_agents.schema.scalars import MAX_INT64, MIN_INT64, Mismatch
from coder_agents.schema.shapes import is_class
from coder_agents.schema.structures import YEAR_2, without_zero

# UnicodeError is for bytes that are not UTF-8, and for text with half a surrogate pair. TypeError
# is for a time without a zone, which cannot be compared.
REFUSALS = (msgspec.DecodeError, UnicodeError, RecursionError, Mismatch, TypeError, OverflowError)
"""
The errors after which the validating reader has to read the text.
"""

_FEW = 5  # for fewer items, a loop costs less than lists of their times and ids

Line = TypeVar("Line", WorkspaceAgentLog, LogLineID)
Read = Callable[[str | bytes], Any]


@cache
def reader(cls: Any) -> Read | None:
    """
    Return the function that reads JSON as *cls*, and raises one of `REFUSALS`.

    The result is None for a type that is neither a schema class nor one of the lists of streams.
    """
    if cls in _CHECKS:
        return _reader(cls, _CHECKS[cls])
    return _reader(structures.structure(cls), structures.maker(cls)) if is_class(cls) else None


def _reader(kind: Any, finish: Callable[[Any], Any]) -> Read:
    decode = msgspec.json.Decoder(kind).decode

    def read(text: str | bytes) -> Any:
        value = finish(decode(text))
        if isinstance(text, bytes) and not text.isascii():
            str(text, "utf-8")
        return value

    return read


def logs_of(texts: Sequence[bytes]) -> list[WorkspaceAgentLog]:
    """
    Return the lines of the JSON lists *texts*.

    Raises one of `REFUSALS`.
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
        if not MIN_INT64 <= log.id <= MAX_INT64:
            raise Mismatch
        # Checked without a call: most messages have a single line.
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
                object.__setattr__(result, "age", None)  # no other code has this object yet
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
    Whether all *times* have a zone, and none can be the zero time.
    """
    try:
        return bool(min(times) >= YEAR_2)
    except TypeError:  # null, or a time without a zone
        return False


def _clear_zero_time(holder: object, time: datetime | None, name: str) -> None:
    """
    Replace the zero time in the field *name* of *holder* by None.

    Raises *TypeError* for a time without a zone.
    """
    if time is not None and without_zero(time) is None:
        object.__setattr__(holder, name, None)  # no other code has this object yet


_CHECKS: dict[Any, Callable[[Any], Any]] = {
    list[WorkspaceAgentLog]: _checked_logs,
    list[LogLineID]: _checked_ids,
    list[WorkspaceAgentMetadata]: _checked_metadata,
    WorkspaceAgentListContainersResponse: _checked_containers,
    WorkspaceAgentListeningPortsResponse: _checked_ports,
}
