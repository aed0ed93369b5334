"""
The checksum that the command cksum of POSIX prints, at the speed of zlib.
"""

from __future__ import annotations

import zlib

# cksum takes the bits of a byte from the highest on, zlib from the lowest on.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_ONES = 0xFFFFFFFF


class Checksum:
    """
    The checksum of what was passed to `update` so far.

    Rule: POSIX, cksum: the CRC of ISO 8802-3, over the bytes and then over their number.
    """

    def __init__(self) -> None:
        self.size = 0
        self._state = _ALL_ONES  # zlib's form of an empty register

    def update(self, data: bytes) -> None:
        """
        Append *data*.
        """
        self.size += len(data)
        self._state = zlib.crc32(data.translate(_REVERSED), self._state)

    @property
    def value(self) -> int:
        """
        The number that cksum prints first.
        """
        size = self.size.to_bytes((self.size.bit_length() + 7) // 8, "little")
        state = zlib.crc32(size.translate(_REVERSED), self._state)
        return int(f"{state:032b}"[::-1], 2)
