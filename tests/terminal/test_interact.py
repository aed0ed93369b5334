"""
What a person types, and what of it leaves the terminal.
"""

from __future__ import annotations

import pytest

from coder_agents.terminal.interact import Escape

TYPED = [
    (b"ls\r", b"ls\r", False),
    (b"~.", b"", True),
    (b"ls\r~.exit", b"ls\r", True),
    (b"ls~.", b"ls~.", False),
    (b"~~.", b"~.", False),
    (b"~x", b"~x", False),
    (b"\n~\r", b"\n~\r", False),
    (b"\r~\r~.", b"\r~\r", True),
    (b"cd ~.\r~.", b"cd ~.\r", True),
]


@pytest.mark.parametrize(("typed", "passed", "was_found"), TYPED)
def test_tilde_dot_leaves_at_the_beginning_of_a_line(
    typed: bytes, passed: bytes, was_found: bool
) -> None:
    """
    Keys are passed on as they are typed, however they are split, until ``~.`` begins a line.
    """
    for cut in range(len(typed) + 1):
        escape = Escape()
        parts = [escape.passed(part) for part in (typed[:cut], typed[cut:]) if not escape.was_found]
        assert b"".join(parts) == passed
        assert escape.was_found == was_found
