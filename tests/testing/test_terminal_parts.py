"""
The parts that terminals are built from, each by itself.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pty_client import is_running, wait_until

from coder_agents.testing.connection import ConnectionEnded, ServerConnection, ServerStopping
from coder_agents.testing.terminals.attachment import REPLAY_BYTES, Replay
from coder_agents.testing.terminals.inputs import BadInputError, Input, InputDecoder
from coder_agents.testing.terminals.launch import Launch
from coder_agents.testing.terminals.leftovers import find_leftovers, kill_leftovers
from coder_agents.testing.terminals.process import TerminalProcess
from coder_agents.testing.terminals.tail import Tail

TEXTS = st.text(alphabet=st.sampled_from('ab"\\{}[]: \u00e9\n\x00\U0001f600'), max_size=8)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "data": TEXTS,
            "height": st.integers(0, 65_535),
            "width": st.integers(0, 65_535),
            "unknown": st.recursive(
                st.none() | st.booleans() | st.integers() | TEXTS,
                lambda inner: (
                    st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
                ),
                max_leaves=4,
            ),
        },
    ),
    max_size=4,
)


def meaning(document: dict[str, object]) -> Input:
    """
    Return the meaning of an object that a client sends.
    """
    height, width = document.get("height", 0), document.get("width", 0)
    size = (height, width) if height and width else None
    return Input(str(document.get("data", "")).encode(), size)  # type: ignore[arg-type]


@given(OBJECTS, st.data(), st.booleans())
def test_objects_are_read_whatever_the_pieces(
    documents: list[dict[str, object]], data: st.DataObject, ascii_only: bool
) -> None:
    """
    The same objects are read from a text that is cut anywhere.
    """
    texts = [json.dumps(document, ensure_ascii=ascii_only) for document in documents]
    whole = data.draw(st.sampled_from(["", " ", "\n"])).join(texts).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)))))
    decoder, found = InputDecoder(), list[Input]()
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += decoder.feed(whole[begin:end])
    assert found == [meaning(document) for document in documents]


@pytest.mark.parametrize(
    "text",
    [
        b"{bad",
        b"nonsense",
        b"[]",
        b'"text"',
        b"}",
        b'{"data":1}',
        b'{"data":"x",}',
        b'{"height":-1}',
        b'{"height":65536}',
        b'{"height":true}',
        b'{"height":1.5}',
        b'{"data" "x"}',
        b'{"data":"\\x"}',
    ],
)
def test_what_an_agent_does_not_expect_is_an_error(text: bytes) -> None:
    """
    Bad JSON and values of the wrong kind are errors at once, and what came before is read.
    """
    with pytest.raises(BadInputError):
        list(InputDecoder().feed(text))
    objects = InputDecoder().feed(b'{"data":"x"}' + text)
    assert next(objects) == Input(b"x", None)
    with pytest.raises(BadInputError):
        list(objects)


@pytest.mark.parametrize("text", [b"{", b'{"height":t', b'{"height":', b'{"width":-', b'{"a":{'])
def test_what_may_still_become_an_object_is_no_error(text: bytes) -> None:
    """
    The beginning of an object is waited for.
    """
    assert list(InputDecoder().feed(text)) == []


def test_names_have_any_case_and_null_is_nothing() -> None:
    """
    Go takes names of any case, null for what is not there, and half a pair of surrogates as a
    replacement.
    """
    text = b'{"DATA":"a\\ud800b","Height":3,"WIDTH":4}{"data":null}{"data":"\xff"}'
    assert list(InputDecoder().feed(text)) == [
        Input("a\ufffdb".encode(), (3, 4)),
        Input(b"", None),
        Input("\ufffd".encode(), None),
    ]


@given(st.lists(st.integers(0, REPLAY_BYTES * 2), max_size=6))
def test_a_replay_is_the_last_bytes(sizes: list[int]) -> None:
    """
    Exactly the last 65,536 bytes are replayed, in whatever pieces they came.
    """
    replay, whole = Replay(), b""
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        replay.add(piece)
        whole += piece
    assert replay.data == whole[-REPLAY_BYTES:]


def test_a_tail_is_held_back_until_it_is_due() -> None:
    """
    All but the last bytes pass at once, and these once they are due.
    """
    tail = Tail(3, 600)
    assert tail.add(b"abcde") == b"ab"
    assert tail.release() == b""
    assert tail.add(b"f") == b"c"
    tail.due = time.monotonic()
    assert tail.release() == b"def"
    assert tail.due == float("inf")


def test_a_tail_of_nothing_holds_nothing_back() -> None:
    """
    Where nothing is to be lost all output passes at once.
    """
    tail = Tail(0, 600)
    assert tail.add(b"abc") == b"abc"
    assert tail.due == float("inf")


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], TerminalProcess]:
    """
    A function that starts a shell with a terminal.
    """

    def make(command: str) -> TerminalProcess:
        launch = Launch(command, ("/bin/sh", "-c", command), {}, tmp_path)
        return TerminalProcess(launch, max_alone=lambda: 600, forget=lambda process: None)

    return make


def test_a_terminal_that_is_over_takes_nothing(start: Callable[[str], TerminalProcess]) -> None:
    """
    Nobody attaches any more, input is lost, and neither a size nor a signal does harm.
    """
    process = start("true")
    attachment = process.attach(lambda: None, (24, 80))
    assert attachment is not None
    process.start()
    process.thread.join()
    assert attachment.ended
    assert process.attach(lambda: None, (24, 80)) is None
    assert process.write(memoryview(b"lost")) == 4
    assert process.input is None
    process.resize((1, 1))
    process.kill()
    process.wake()
    process.detach(attachment)
    process.detach(attachment)


def test_a_process_takes_input_until_it_is_full_and_is_killed_with_its_group(
    start: Callable[[str], TerminalProcess],
) -> None:
    """
    Input that is not read is refused some time, and a kill ends the children of the group too.
    """
    process = start("stty raw -echo; sleep 600 & echo $!; sleep 600")
    attachment = process.attach(lambda: None, (24, 80))
    assert attachment is not None
    process.start()
    wait_until(lambda: process.replayed.endswith(b"\n"))
    while process.write(memoryview(b"x" * 10_000)):
        pass
    process.kill()
    process.thread.join()
    wait_until(lambda: not is_running(int(process.replayed)))


def test_what_cannot_be_started_leaves_no_terminal(tmp_path: Path) -> None:
    """
    A program that is not there, and a text with a NUL, are errors.
    """
    for arguments in (("/no/such/program",), ("/bin/sh", "\0")):
        launch = Launch("", arguments, {}, tmp_path)
        with pytest.raises((OSError, ValueError), match=r"such|null"):
            TerminalProcess(launch, max_alone=lambda: 600, forget=lambda process: None)


def test_leftovers_are_found_by_their_mark() -> None:
    """
    A process with the mark and its descendants are killed, and no other one.
    """
    mark = f"MARK={uuid.uuid4()}"
    command = ["sh", "-c", "env -i sleep 600 & echo $!; wait"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={"MARK": mark.removeprefix("MARK=")}
    ) as marked:
        with subprocess.Popen(["sleep", "600"], env={"MARK": "another"}) as other:
            assert marked.stdout is not None
            child = int(marked.stdout.readline())
            assert find_leftovers(mark) == {marked.pid, child}
            kill_leftovers(mark)
            marked.wait()
            survived = other.poll() is None
            other.kill()
    assert survived
    assert not is_running(child)


def test_leftovers_are_found_as_the_kernel_tells(tmp_path: Path) -> None:
    """
    Processes that end meanwhile are skipped, and a system without such a folder has none.
    """
    assert find_leftovers("MARK=one", tmp_path / "missing") == set()
    kill_leftovers("MARK=one", tmp_path / "missing")
    for pid, stat in (
        ("10", "10 (a) b) S 9 10 10"),
        ("11", "11 (x) S 10 11"),
        ("12", "12 (x) Z 10"),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(stat)
    (tmp_path / "10" / "environ").write_bytes(b"A=1\0MARK=one\0")
    (tmp_path / "13").mkdir()
    assert find_leftovers("MARK=one", tmp_path) == {10, 11}


def test_leftovers_that_cannot_be_killed_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The search ends some time, also where a process that has just ended is still listed.
    """
    monkeypatch.setattr("coder_agents.testing.terminals.leftovers.ROUNDS", 2)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    folder = tmp_path / str(ended.pid)
    folder.mkdir()
    (folder / "environ").write_bytes(b"MARK=one\0")
    kill_leftovers("MARK=one", tmp_path)
    assert folder.exists()


def test_a_connection_waits_for_what_it_is_asked_to() -> None:
    """
    Input counts only where it is waited for, room for output and for a pipe ends a wait, and a
    stop is raised.
    """
    ours, theirs = socket.socketpair()
    pipe, other = socket.socketpair()
    with theirs, pipe, other:
        connection = ServerConnection(ours)
        assert not connection.wait_ready(600, reading=False, writing=True)
        assert not connection.wait_ready(600, reading=True, writing=True)
        assert not connection.wait_ready(600, reading=True, writing=False, pipe=pipe.fileno())
        theirs.send(b"x")
        assert not connection.wait_ready(0, reading=False, writing=False)
        assert connection.wait_ready(600, reading=True, writing=False)
        connection.sleep(0.01)
        assert connection.wait_ready(600, reading=True, writing=False)
        assert connection.receive() == b"x"
        connection.wake()
        assert not connection.wait_ready(600, reading=True, writing=False)
        connection.stop()
        with pytest.raises(ServerStopping):
            connection.wait_ready(600, reading=True, writing=False)
        connection.end()


def test_a_connection_sends_what_there_is_room_for() -> None:
    """
    What does not fit is left to the caller, until the peer has gone.
    """
    ours, theirs = socket.socketpair()
    connection = ServerConnection(ours)
    connection.limit_unsent(10_000)
    data = b"x" * 1_000_000
    assert 0 < connection.send_some(data) < len(data)
    while connection.send_some(data):
        pass
    theirs.close()
    with pytest.raises(ConnectionEnded):
        connection.send_some(data)
    connection.end()
