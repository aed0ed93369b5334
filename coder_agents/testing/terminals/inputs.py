"""
What a client of a terminal sends: JSON objects one after the other, in pieces of any size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs

from coder_agents.testing.terminals.process import Size

MAX_SIZE = 65_535

OUTSIDE = re.compile(rb'["{}]')
SPACE = b" \t\r\n"

# What a piece may end in the middle of.
LITERALS = ("true", "false", "null", "-")
SURROGATE = re.compile("[\ud800-\udfff]")


class BadInputError(ValueError):
    """
    What a client has sent is no JSON, or not what an agent expects.
    """


@attrs.frozen
class Input:
    """
    One object: bytes for the process, and the new size of the terminal or None.
    """

    data: bytes
    size: Size | None


class InputDecoder:
    """
    Takes the stream of objects apart, as Go's decoder does.
    """

    def __init__(self) -> None:
        self._text = bytearray()
        self._read = 0
        self._depth = 0
        self._quoted = False

    def feed(self, data: bytes) -> Iterator[Input]:
        """
        Yield the objects that *data* completes.

        Raises:
            BadInputError: it is no JSON, or not what an agent expects.
        """
        self._text += data
        while (end := self._find_end()) is not None:
            text = self._text[:end].decode(errors="replace")
            del self._text[:end]
            self._read = 0
            yield _decode(text)
        self._check_unfinished()

    def _find_end(self) -> int | None:
        """
        Where the first object ends, None while it is not complete.
        """
        if not self._depth:
            del self._text[: len(self._text) - len(self._text.lstrip(SPACE))]
        while self._leave_string() and (found := OUTSIDE.search(self._text, self._read)):
            self._read, mark = found.end(), found.group()
            if mark == b'"':
                self._quoted = True
            elif mark == b"{":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 0:
                    return self._read
        return None

    def _leave_string(self) -> bool:
        """
        Read to the end of a string; return whether it is complete.
        """
        if not self._quoted:
            return True
        end = self._text.find(b'"', self._read)
        limit = len(self._text) if end < 0 else end
        # What is typed is long and has few of these, so that a search for each beats a pattern.
        while (escape := self._text.find(b"\\", self._read, limit)) >= 0:
            if escape + 1 == len(self._text):
                # The character that it escapes is still to come.
                self._read = escape
                return False
            self._read = escape + 2
            if self._read > limit:
                end = self._text.find(b'"', self._read)
                limit = len(self._text) if end < 0 else end
        self._read = limit + 1 if end >= 0 else limit
        self._quoted = end < 0
        return not self._quoted

    def _check_unfinished(self) -> None:
        # Within a text anything may follow.
        if not self._text or self._quoted:
            return
        if not self._text.startswith(b"{"):
            raise BadInputError("no object")
        text = self._text.decode(errors="replace")
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            rest = text[error.pos :].strip()
            if any(literal.startswith(rest) for literal in LITERALS):
                return
            raise BadInputError(str(error)) from None


def _decode(text: str) -> Input:
    try:
        document: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError(str(error)) from None
    # Names of any case, as Go takes them.
    fields = {name.lower(): value for name, value in document.items() if value is not None}
    data = fields.get("data", "")
    if not isinstance(data, str):
        raise BadInputError("data is no text")
    height, width = _whole(fields.get("height", 0)), _whole(fields.get("width", 0))
    if not data.isascii():
        data = SURROGATE.sub("\ufffd", data)
    return Input(data.encode(), (height, width) if height and width else None)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_SIZE:
        raise BadInputError("no size of a terminal")
    return value
