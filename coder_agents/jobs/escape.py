"""
How bytes are written into a request: as a format of the shell's printf, or as base64.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

# What is sent as it is. No space, no backslash, no percent sign, no semicolon, nothing that a shell
# expands, and no hyphen: printf would take it for an option.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+:,@=")
_ESCAPES = tuple(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in range(256))

# Above so many bytes a payload follows its request as base64, where the agent has base64: the
# shell's own read takes a byte at a time.
MAX_INLINE = 1500

_ENCODED = 49_152  # bytes; 64 KB of base64, without padding in between


def to_bytes(text: str | bytes) -> bytes:
    """
    Return *text* as the agent's bytes: UTF-8, where surrogates stand for bytes that are not.
    """
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def escaped(text: str | bytes) -> bytes:
    """
    Return *text* as one word: an equals sign and a format of printf that contains only ASCII.
    """
    return b"=" + "".join([_ESCAPES[byte] for byte in to_bytes(text)]).encode("ascii")


def payload(data: bytes, *, base64_available: bool) -> tuple[bytes, Iterable[bytes]]:
    """
    Return the words for *data* at the end of a request, and what follows the request's line, in parts.

    ``p =FORMAT`` for what is short, and for all where the agent has no base64. Otherwise ``b
    LENGTH``, and after the line so many bytes of base64 in one line, its newline included: each
    newline would be two characters of JSON.
    """
    if len(data) <= MAX_INLINE or not base64_available:
        return b"p " + escaped(data), ()
    return b"b %d" % (4 * -(-len(data) // 3) + 1), _base64(data)


def _base64(data: bytes) -> Iterator[bytes]:
    # Part by part, so that the agent decodes the first ones while the next ones are encoded.
    rest = memoryview(data)
    while rest:
        part, rest = rest[:_ENCODED], rest[_ENCODED:]
        yield base64.b64encode(part)
    yield b"\n"
