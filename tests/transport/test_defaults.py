"""
What sources, positions and adapters do by themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import requests

from coder_agents.streams.position import Position
from coder_agents.transport import fork
from coder_agents.transport.adapter import SharingAdapter
from coder_agents.transport.source import Source


def test_authorities_that_cannot_be_read_are_left_to_requests(tmp_path: Path) -> None:
    """
    The pool then has no shared context, and requests reports the missing file.
    """
    adapter = SharingAdapter()
    missing = str(tmp_path / "missing.pem")
    request = requests.Request("GET", "https://coder.example.com/x").prepare()
    pool = adapter.get_connection_with_tls_context(request, missing)
    assert "ssl_context" not in pool.conn_kw
    adapter.close()


def test_a_source_neither_dials_nor_has_waited_by_itself() -> None:
    """
    A source that has one connection has nothing more to report.
    """
    source = cast("Any", object())
    assert Source.may_connect(source) is False
    waited: Any = Source.waited
    assert waited.fget(source) == 0.0


def test_a_position_of_no_logs_has_none() -> None:
    """
    A stream of states has no logs whose positions could be saved.
    """
    assert Position.each_at(cast("Any", object()), 0) == ()


def test_a_child_gets_a_lock_of_its_own() -> None:
    """
    The lock of the parent may be held by a thread that the child does not have.
    """
    lock = fork.RenewedLock()
    before = lock.current
    lock.after_fork_in_child()
    assert lock.current is not before
