"""
The content of files, over a real terminal.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

from coder_agents import Agent, CoderError
from coder_agents.errors import APIError, ControlShellError, TransportError
from coder_agents.jobs.answers import Answer
from coder_agents.jobs.file_requests import PutPiece
from coder_agents.jobs.files import Files, Upload
from coder_agents.jobs.paths import parent_of
from coder_agents.jobs.piece_size import FIRST_PIECE, MAX_PIECE, MIN_PIECE, PieceSize
from coder_agents.jobs.requests import Request
from coder_agents.testing import Deployment

DATA = os.urandom(FIRST_PIECE + 12345)
LARGE = os.urandom(FIRST_PIECE + 12345)
ALL_BYTES = bytes(range(256))

NAMES = [b"plain", b" a b ", b"new\nline", b"\xff\xfe", "ü€".encode(), b"-n", b"*", b"'\"\\%s$x"]


@pytest.mark.parametrize("size", [0, 1, 1500, FIRST_PIECE - 1, FIRST_PIECE, FIRST_PIECE + 12345])
def test_what_is_written_is_read(agent: Agent, tmp_path: Path, size: int) -> None:
    """
    A file of any size around that of a piece is the same on the agent, and read back the same.
    """
    path = tmp_path / "file"
    assert agent.write_file(str(path), DATA[:size]) == size
    assert path.read_bytes() == DATA[:size]
    assert agent.read_file(str(path)) == DATA[:size]
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "data",
    [ALL_BYTES, bytearray(ALL_BYTES), memoryview(ALL_BYTES), io.BytesIO(ALL_BYTES)],
    ids=lambda data: type(data).__name__,
)
def test_each_kind_of_bytes_is_written(agent: Agent, tmp_path: Path, data: Any) -> None:
    """
    Bytes of any kind and a binary file are written as they are.
    """
    assert agent.write_file(str(tmp_path / "file"), data) == 256
    assert (tmp_path / "file").read_bytes() == ALL_BYTES


def test_an_object_of_pathlib_is_a_path(agent: Agent, tmp_path: Path) -> None:
    """
    A path of pathlib, also one of Windows, means the file of the same name on the agent.
    """
    agent.write_file(tmp_path / "file", b"one")
    assert agent.read_file(PureWindowsPath(tmp_path / "file")) == b"one"


def test_text_is_written_as_utf_8(agent: Agent, tmp_path: Path) -> None:
    """
    Text becomes UTF-8, and the size is that of the bytes.
    """
    assert agent.write_file(str(tmp_path / "file"), "ü\r\n") == 4
    assert (tmp_path / "file").read_bytes() == b"\xc3\xbc\r\n"


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names(files: Files, tmp_path: Path, name: bytes) -> None:
    """
    A file whose name has spaces, newlines or bytes that are not UTF-8 is reached by bytes and by text.
    """
    raw = os.fsencode(tmp_path) + b"/" + name
    for path in (raw, raw.decode("utf-8", "surrogateescape")):
        files.write(path, name)
        assert files.read(path) == name
        assert list(files.entries(str(tmp_path))) == [name]
        assert files.stat(path).size == len(name)
        files.move(path, raw + b"2")
        files.copy(raw + b"2", path)
        files.remove(raw + b"2")
    assert os.listdir(os.fsencode(tmp_path)) == [name]


def test_a_long_name_can_be_written(files: Files, tmp_path: Path) -> None:
    """
    A name as long as a file system takes leaves room for that of the file beside it.
    """
    for name in (b"x" * 255, "ü".encode() * 127):
        files.write(os.fsencode(tmp_path) + b"/" + name, b"1")
        files.write(str(tmp_path / os.fsdecode(name)), b"12")
        assert (tmp_path / os.fsdecode(name)).read_bytes() == b"12"


@pytest.mark.parametrize(("mode", "found"), [(None, 0o640), (0o755, 0o755), (0o4711, 0o4711)])
def test_the_mode_stays_unless_another_one_is_given(
    agent: Agent, tmp_path: Path, mode: int | None, found: int
) -> None:
    """
    A file that is written again keeps its mode, or gets the given one.
    """
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    agent.write_file(str(path), b"new", mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == found


def test_the_file_is_as_it_was_until_the_end(files: Files, tmp_path: Path) -> None:
    """
    While a file is written, and after its source has failed, readers see the old one; nothing else is left.
    """
    path = tmp_path / "file"
    path.write_bytes(b"old")

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert path.read_bytes() == b"old"
            if self.tell() >= FIRST_PIECE:
                raise KeyboardInterrupt
            return super().read(size)

    with pytest.raises(KeyboardInterrupt):
        files.write(str(path), Failing(DATA))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("", b""), ValueError, "no path"),
        (("a\0b", b""), ValueError, "no path"),
        ((5, b""), TypeError, "PathLike"),
        (("/a", None), TypeError, "data must be bytes, text or a binary file"),
        (("/a", 5), TypeError, "data must be bytes, text or a binary file, not int"),
        (("/a", io.StringIO("text")), TypeError, "binary file"),
        (("/a", b"", -1), ValueError, "mode"),
        (("/a", b"", 0o10000), ValueError, "mode"),
        (("/a", b"", "600"), ValueError, "not '600'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    kept_deployment: Deployment, arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    """
    A path, data or a mode that no file can have raises an error that names it, and no terminal is opened.
    """
    path, data, *mode = arguments
    with kept_deployment.client() as client:
        agent = client.agent("dev")
        before = len(kept_deployment.requests)
        with pytest.raises(error, match=text):
            agent.write_file(path, data, mode=mode[0] if mode else None)
        assert len(kept_deployment.requests) == before


def test_what_cannot_be_done_is_an_error_of_python(files: Files, tmp_path: Path) -> None:
    """
    What is missing, a directory, or below a file raises Python's own error with the path.
    """
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir" / "inside").mkdir(parents=True)
    cases: list[tuple[type[OSError], Any, str]] = [
        (FileNotFoundError, files.read, "none"),
        (IsADirectoryError, files.read, "dir"),
        (NotADirectoryError, files.stat, "file/below"),
        (NotADirectoryError, files.entries, "file"),
        (FileExistsError, files.make_directory, "dir"),
        (OSError, files.remove, "dir"),
        (PermissionError, files.remove, "/proc/version"),
        (FileNotFoundError, lambda path: files.write(path, b""), "none/file"),
        (IsADirectoryError, lambda path: files.write(path, b""), "dir"),
        (NotADirectoryError, lambda path: files.write(path, b"", parents=True), "file/below"),
    ]
    for error, call, name in cases:
        path = str(tmp_path / name)
        with pytest.raises(error) as caught:
            call(path)
        assert caught.value.filename == path
    assert sorted(os.listdir(tmp_path)) == ["dir", "file"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may do everything")
def test_what_is_not_permitted(files: Files, tmp_path: Path) -> None:
    """
    A file that may not be read, and a directory that may not be written, raise PermissionError.
    """
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0)
    with pytest.raises(PermissionError):
        files.read(str(tmp_path / "file"))
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError):
        files.write(str(tmp_path / "new"), b"")
    tmp_path.chmod(0o755)


def test_files_of_the_kernel_are_read_whole(agent: Agent) -> None:
    """
    A file that reports no size is read to its end.
    """
    assert agent.read_file("/proc/version") == Path("/proc/version").read_bytes()


def test_directories_above_are_created_on_request(files: Files, tmp_path: Path) -> None:
    """
    With parents, a file is written where the directories above it are missing.
    """
    files.write(str(tmp_path / "a" / "b"), b"x", parents=True)
    files.write(os.fsencode(tmp_path / "c" / "d"), b"y", parents=True)
    assert ((tmp_path / "a" / "b").read_bytes(), (tmp_path / "c" / "d").read_bytes()) == (
        b"x",
        b"y",
    )


def test_a_file_that_changes_while_it_is_read_is_an_error(files: Files, tmp_path: Path) -> None:
    """
    A file that is written again between two pieces, or before its end, is an error with the path.
    """
    path = tmp_path / "file"
    path.write_bytes(LARGE)

    def change(piece: bytes) -> None:
        path.write_bytes(LARGE[::-1])

    with pytest.raises(OSError, match="changed while it was read") as caught:
        files.copy_out(str(path), change)
    assert caught.value.filename == str(path)
    known = files.stat(str(path))
    assert files.read_range(str(path), 3, 9, known) == LARGE[::-1][3:9]
    path.write_bytes(b"shorter")
    with pytest.raises(OSError, match="changed while it was read"):
        files.read_range(str(path), 3, 9, known)


def test_a_range_of_several_pieces_is_exact(files: Files, tmp_path: Path) -> None:
    """
    A range is exact to the byte, within a piece and across two; beyond the end there is nothing.
    """
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    ranges = [(0, 1), (5, 5), (10, FIRST_PIECE + 50), (FIRST_PIECE, 2 * FIRST_PIECE + 20000)]
    for begin, end in ranges:
        assert files.read_range(str(path), begin, end) == LARGE[begin:end]
    assert files.read_range(str(path), len(LARGE), len(LARGE) + 9) == b""
    assert files.read(str(path)) == LARGE


def test_the_size_of_a_piece_follows_the_connection() -> None:
    """
    A piece that passes fast is followed by a larger one, a slow one by a smaller one, within the limits.
    """
    size = PieceSize(MAX_PIECE)
    size.passed(FIRST_PIECE - 1, 0.1)  # the end of a file
    size.passed(FIRST_PIECE, 1.0)
    assert size.bytes == FIRST_PIECE
    size.passed(FIRST_PIECE, 0.125)
    assert size.bytes == 2 * FIRST_PIECE
    size.passed(size.bytes, 0.0)
    assert size.bytes == MAX_PIECE
    size.passed(size.bytes, 0.1)
    assert size.bytes == MAX_PIECE
    size.passed(1000, 5.0)
    assert size.bytes == MIN_PIECE
    size.passed(MIN_PIECE, 5.0)
    assert size.bytes == MIN_PIECE


@pytest.mark.parametrize("moment", [100, 70_000, 1_200_000])
def test_a_drop_resumes(
    kept_deployment: Deployment, agent: Agent, tmp_path: Path, moment: int
) -> None:
    """
    A connection that drops anywhere in a download or an upload costs no byte, and leaves nothing behind.
    """
    path = tmp_path / "file"
    kept_deployment.faults.add("drop", route="pty", after_input_bytes=moment)
    with kept_deployment.client() as client:
        client.agent("dev").write_file(str(path), DATA)
    assert path.read_bytes() == DATA
    kept_deployment.faults.add("drop", route="pty", after_bytes=moment)
    with kept_deployment.client() as client:
        assert client.agent("dev").read_file(str(path)) == DATA
    assert os.listdir(tmp_path) == ["file"]


def test_a_refusal_of_the_deployment_stays_one(tmp_path: Path) -> None:
    """
    A token that was revoked is the deployment's own error, although that is an OSError, too.
    """
    with Deployment() as deployment:
        deployment.add_agent(workspace="dev")
        with deployment.client() as client:
            agent = client.agent("dev")
            deployment.faults.add(
                "refuse",
                route="pty",
                status=401,
                headers={"Content-Type": "application/json"},
                body='{"message": "Cookie \\"coder_session_token\\" is invalid."}',
            )
            with pytest.raises(APIError) as caught:
                agent.read_file("/proc/version")
            assert caught.value.status_code == 401


def test_an_agent_that_is_out_of_reach_is_an_error_of_the_transport(tmp_path: Path) -> None:
    """
    Where every connection drops, or none comes about, the error is a TransportError that names the agent or the
    deployment; and a file that was half written is given up.
    """
    with Deployment() as deployment:
        deployment.add_agent(workspace="dev")
        with deployment.client(timeout=(1, 0.3)) as client:
            agent = client.agent("dev")
            deployment.faults.add("drop", route="pty", times=None)
            with pytest.raises(TransportError, match="dev"):
                agent.write_file(str(tmp_path / "file"), b"data")
            deployment.close()
            with pytest.raises(TransportError):
                agent.read_file("/proc/version")
    assert os.listdir(tmp_path) == []


class Lying:
    """
    Control shells of an agent that lies.
    """

    def __init__(self, *fields: str, body: bytes = b"") -> None:
        self._answer = Answer(1, "OK", fields, body)
        self.requests: list[Request] = []

    def call(self, request: Request, *, wait: float = 0) -> list[Answer]:
        """
        Return the same answer to each request.
        """
        self.requests.append(request)
        return [self._answer]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Lying("5", body=b"12345"), ControlShellError),
        (Lying("none", body=b"1"), ControlShellError),
    ],
)
def test_an_agent_that_lies_about_a_piece(answer: Any, error: type[CoderError]) -> None:
    """
    A piece that is longer than the request, or has no size, is a typed error.
    """
    with pytest.raises(error):
        Files(answer).read_range("/file", 0, 3)


def test_bytes_that_the_agent_lost_are_an_error() -> None:
    """
    An upload whose size on the agent is not that of its pieces raises an OSError, and is removed.
    """
    lying: Any = Lying("2")
    with pytest.raises(OSError, match="lost on the way"):
        Files(lying).write("/dir/file", b"12345")
    put, remove = lying.requests
    assert isinstance(put, PutPiece)
    assert remove.path == put.path != "/dir/file"


def test_a_name_beside_is_in_the_same_directory() -> None:
    """
    What a file is written as at first is hidden, and in the directory of the file, also of a relative one.
    """
    for path, begin in (("/a/b", "/a/.b."), ("b", ".b."), (b"/a/b", "/a/.b."), (b"b", ".b.")):
        lying: Any = Lying("1")
        Upload(Files(lying), path).append(b"x")
        found = lying.requests[0].path
        assert type(found) is type(path)
        assert os.fsdecode(found).startswith(begin)
    assert (parent_of("b"), parent_of(b"b"), parent_of("/b")) == (".", b".", "/")
