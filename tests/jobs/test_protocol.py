"""
The protocol without a shell: how requests are written and answers are read.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.errors import CoderError, ControlShellError
from coder_agents.jobs import program
from coder_agents.jobs.protocol import (
    MAX_PIECE,
    Answer,
    AnswerReader,
    Checksum,
    CopyFile,
    FileInfo,
    GetChecksum,
    GetPiece,
    Greeting,
    Inside,
    ListJobs,
    MakeDirectory,
    Move,
    Nop,
    Piece,
    Prevent,
    Progress,
    PutPiece,
    Read,
    ReadyReader,
    Remove,
    RemovePath,
    ReplaceFile,
    Request,
    Signal,
    Start,
    Stat,
    WriteInput,
    command_text,
    error_of,
    facts_of,
    numbers_of,
    read_entries,
    read_jobs,
    run_text,
)

NONCE = "abcdefgh12345678"
STREAM = (
    b"abcdefgh12345678 0 OK 3 1 77 base64\nabc"
    b"abcdefgh12345678 1 OK 0\n"
    b"abcdefgh12345678 2 MORE 5 x y\nab\n c"
    b"abcdefgh12345678 2 ERR 20 z\nabcdefgh12345678 4 O"
)
ANSWERS = [
    Answer(0, "OK", ("1", "77", "base64"), b"abc"),
    Answer(1, "OK", (), b""),
    Answer(2, "MORE", ("x", "y"), b"ab\n c"),
    Answer(2, "ERR", ("z",), b"abcdefgh12345678 4 O"),
]


@pytest.mark.parametrize("point", range(len(STREAM) + 1))
def test_answers_are_read_whatever_the_split_point(point: int) -> None:
    """
    Two parts that were cut anywhere give the same answers as the whole.
    """
    reader = AnswerReader(NONCE)
    assert reader.feed(STREAM[:point]) + reader.feed(STREAM[point:]) == ANSWERS


def test_answers_are_read_byte_by_byte() -> None:
    """
    An answer is complete with its last byte and not before, and the reader knows what is missing.
    """
    reader = AnswerReader(NONCE)
    found = [answer for byte in STREAM for answer in reader.feed(bytes([byte]))]
    assert found == ANSWERS
    assert reader.feed(b"abcdefgh12345678 5 OK 7\nabc") == []
    assert reader.waiting_for == 4
    assert [answer.body for answer in reader.feed(b"defg")] == [b"abcdefg"]
    assert reader.waiting_for == 0


@pytest.mark.parametrize(
    "stream",
    [
        b"x",
        b"abcdefgh12345679 1 OK 0\n",
        b"\x1b[31mabcdefgh12345678 1 OK 0\n",
        b"abcdefgh12345678 1 OK -1\n",
        b"abcdefgh12345678 1 OK 1x\n",
        b"abcdefgh12345678 1 OK \xb2\n",
        b"abcdefgh12345678 1 OK 99999999999999\n",
        b"abcdefgh12345678 1 OK 16777217\n",
        b"abcdefgh12345678 1 OK\n",
        b"abcdefgh12345678 1 FINE 0\n",
        b"abcdefgh12345678 1 OK 0 \x00\n",
        b"abcdefgh12345678 1 OK 0  two\n",
        b"abcdefgh12345678 1 OK 0" + b" x" * 4096,
        b"abcdefgh12345678 " + b"1" * 5000,
        b"abcdefgh12345678 1 OK 2\nabc",
        b"\n",
    ],
)
def test_what_is_no_answer_is_a_typed_error(stream: bytes) -> None:
    """
    A wrong nonce, a lying length, a header without an end or in another form raises, also where
    it comes byte by byte.
    """
    with pytest.raises(ControlShellError):
        AnswerReader(NONCE).feed(stream)
    reader = AnswerReader(NONCE)
    with pytest.raises(ControlShellError):
        for byte in stream:
            reader.feed(bytes([byte]))
    assert issubclass(ControlShellError, CoderError)


@given(st.binary(max_size=200))
def test_no_bytes_raise_another_error(stream: bytes) -> None:
    """
    The reader returns answers or raises its own error, whatever a hostile agent sends.
    """
    reader = AnswerReader(NONCE)
    try:
        reader.feed(f"{NONCE} ".encode() + stream)
    except ControlShellError:
        pass


def test_the_marker_of_the_bootstrap() -> None:
    """
    The marker is found after whatever a login script has printed, at each split point.
    """
    text = b"Welcome\r\n" + f"{NONCE} READY\n".encode()
    for point in range(len(text)):
        reader = ReadyReader(NONCE)
        assert not reader.feed(text[:point])
        assert reader.feed(text[point:])


def test_a_terminal_without_the_marker() -> None:
    """
    A terminal that never becomes raw, or prints for ever, is an error.
    """
    with pytest.raises(ControlShellError, match="stty"):
        ReadyReader(NONCE).feed(f"{NONCE} NOSTTY\n".encode())
    reader = ReadyReader(NONCE)
    with pytest.raises(ControlShellError, match="marker"):
        for _ in range(100):
            reader.feed(b"x" * 1000)


@given(st.binary(max_size=3000), st.booleans())
def test_a_payload_arrives(data: bytes, available: bool) -> None:
    """
    The bytes of a request stand in its line as a format of printf, or follow it as base64.
    """
    raw = PutPiece("f", offset=1, data=data).encode(7, base64_available=available)
    line, _, following = raw.partition(b"\n")
    words = line.split(b" ")
    assert words[:6] == [b"7", b"PUT", b"0", b"=f", b"1", b"%d" % len(data)]
    assert words[-1] == b";"
    if words[6] == b"b":
        assert available
        assert int(words[7]) == len(following)
        assert base64.decodebytes(following) == data
        assert max(map(len, following.splitlines())) <= 76
    else:
        assert following == b""
        assert words[7].decode().removeprefix("=").encode().decode("unicode_escape") == (
            data.decode("latin-1")
        )


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_a_path_is_one_plain_word(name: bytes) -> None:
    """
    No name of a file has a byte in a request that a shell or a terminal would take for its own.
    """
    raw = Stat(name).encode(1)
    assert raw.count(b" ") == 5
    assert not set(raw[:-3]) & set(b"%;-$`*?[]'\"\n\r\t\x00\x03\x04\x7f")


def test_the_forms_of_requests() -> None:
    """
    A request has its number, its name, whether it was sent before, and its words.
    """
    requests: list[tuple[Request, bytes]] = [
        (Nop(), b"5 NOP 1 ;\n"),
        (ListJobs(), b"5 LIST 1 ;\n"),
        (Read(job="a-b", stdout=3, wait=1.26), b"5 READ 1 a-b 3 0 1048576 13 ;\n"),
        (Signal(job="a", signal=9), b"5 SIGNAL 1 a 9 - ;\n"),
        (Inside("ab"), b"5 INSIDE 1 =ab ;\n"),
        (Remove("a"), b"5 REMOVE 1 a ;\n"),
        (Prevent("a"), b"5 PREVENT 1 a ;\n"),
        (GetChecksum("a"), b"5 CKSUM 1 =a ;\n"),
        (MakeDirectory("a", parents=True), b"5 MKDIR 1 =a 1 ;\n"),
        (RemovePath("a"), b"5 RM 1 =a 0 ;\n"),
        (Move("a", "b"), b"5 MV 1 =a =b ;\n"),
        (CopyFile("a", "b"), b"5 CP 1 =a =b ;\n"),
        (GetPiece("/a b", offset=2), b"5 GET 1 =/a\\040b 2 1048576 ;\n"),
        (
            ReplaceFile("a", temporary="b", checksum=1, size=2, mode=0o100644),
            b"5 REPLACE 1 =a =b 1 2 644 ;\n",
        ),
        (
            Start(job="j", run=b"r\n", command=b"c", cwd="/", timeout=2.5, wait=5),
            b"5 START 1 j =/ none file file 2.5 5 50 65536 p =r\\012 =c ;\n",
        ),
    ]
    for request, raw in requests:
        assert request.encode(5, repeated=True) == raw
    write = WriteInput(job="j", offset=2, data=b"ab", end=True)
    assert write.encode(1) == b"1 WRITE 0 j 2 2 1 p =ab ;\n"


def test_a_long_start_has_two_parts() -> None:
    """
    The lines of the process and the text of the command follow a long request together.
    """
    raw = Start(job="j", run=b"r" * 2000, command=b"c" * 50).encode(1)
    line, _, following = raw.partition(b"\n")
    assert line.split()[-4:] == [b"b", b"%d" % len(following), b"2000", b";"]
    assert base64.decodebytes(following) == b"r" * 2000 + b"c" * 50
    plain = Start(job="j", run=b"r" * 2000, command=b"c").encode(1, base64_available=False)
    assert plain.endswith(b"r\x20=c ;\n")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Read(job=""),
        lambda: Read(job="-a"),
        lambda: Read(job="../a"),
        lambda: Remove("a b"),
        lambda: Read(job="a" * 65),
        lambda: Read(job="a", stdout=-1),
        lambda: Read(job="a", wait=float("inf")),
        lambda: Read(job="a", wait=float("nan")),
        lambda: Signal(job="a", signal=65),
        lambda: Signal(job="a", signal=1, token="a b"),
        lambda: Stat(""),
        lambda: Stat("a\0b"),
        lambda: PutPiece("f", offset=0, data=bytes(MAX_PIECE + 1)),
        lambda: Inside("a b"),
        lambda: Nop().encode(0),
        lambda: Nop().encode(2**31),
        lambda: run_text([]),
        lambda: run_text(["-a"]),
        lambda: run_text([""]),
        lambda: run_text("a\0b"),
        lambda: run_text("a\0b" + "x" * 100_000),
        lambda: run_text(["a\0"]),
        lambda: run_text("a", env={"A-B": ""}),
        lambda: run_text("a", env={"A": "\0"}),
        lambda: run_text("a", umask=0o1000),
        lambda: program.bootstrap("short"),
        lambda: program.program("with space"),
    ],
)
def test_what_no_agent_can_do_is_refused_here(wrong: Callable[[], object]) -> None:
    """
    A bad argument is a ValueError before anything is sent.
    """
    with pytest.raises(ValueError, match=r"."):
        wrong()


def answer(*fields: str, body: bytes = b"") -> Answer:
    """
    Return an answer with *fields*.
    """
    return Answer(1, "OK", fields, body)


def test_progress_is_read() -> None:
    """
    The answer to a read has the state, the sizes and both pieces.
    """
    fields = ("signaled", "9", "12", "5", "6", "2", "-,timeout,cut2")
    progress = Progress.read(answer(*fields, body=b"abcde"))
    assert attrs.astuple(progress) == (
        "signaled", 9, 12, (5, 6), b"ab", b"cde", True, frozenset({2}), False, False,
    )  # fmt: skip
    assert progress.returncode == -9
    running = Progress.read(answer("running", "0", "0", "0", "0", "0", "-,shrunk,piped"))
    assert (running.returncode, running.shrunk, running.piped) == (None, True, True)


def test_lists_are_read() -> None:
    """
    A list of jobs has one answer a job, and one of files has the names after their lines.
    """
    jobs = [
        answer("a", "exited", "3", "7", "12", "1", "2", body=b"x\ny"),
        answer("b", "running", "0", "7", "-", "1", "2"),
        answer(),
    ]
    first, second = read_jobs(jobs)
    assert (first.job, first.state, first.code, first.started, first.command) == (
        "a", "exited", 3, 12.0, b"x\ny",
    )  # fmt: skip
    assert second.started is None
    line = b"G 81a4 5 12 13 1 2 2026 x"
    listed = answer("2", body=line + b"\n" + line + b"\n./a\nb/./ /")
    assert sorted(read_entries([answer("0"), listed])) == [b" ", b"a\nb"]


@pytest.mark.parametrize(
    ("line", "mode", "size", "modified"),
    [
        ("G 81a4 5 12 13 1 2 2026-01-01 10:00:00.5 +0000", 0o100644, 5, 12.0),
        ("B 100644 5 12 13 1 2 12.5 13.5", 0o100644, 5, 12.0),
        ("L -rw-r--r-- 1 1 2 5", 0o100644, 5, None),
        ("L drwxrwxrwt. 1 1 2 5", 0o41777, 5, None),
        ("L -rwsr-Sr-T 1 1 2 5", 0o107744, 5, None),
        ("L lrwxrwxrwx 1 1 2 5", 0o120777, 5, None),
        ("L crw-rw-rw- 1 1 2 1,", 0o020666, 1, None),
    ],
)
def test_the_kinds_of_files(line: str, mode: int, size: int, modified: float | None) -> None:
    """
    What GNU's stat, the one of BSD and ls report of a file is the same.
    """
    found = FileInfo.read(answer(body=line.encode()))
    assert (found.mode, found.size, found.modified) == (mode, size, modified)
    assert (found.uid, found.gid) == (1, 2)


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (Greeting.read, answer("1", "2")),
        (Greeting.read, answer("1", "x", "-")),
        (Progress.read, answer()),
        (Progress.read, answer("dead", "0", "0", "0", "0", "0", "-")),
        (Progress.read, answer("running", "0", "0", "0", "0", "5", "-")),
        (Progress.read, answer("running", "0", "0", "0", "0", "-1", "-")),
        (FileInfo.read, answer()),
        (FileInfo.read, answer(body=b"G 1")),
        (FileInfo.read, answer(body=b"X 1 2 3 4 5 6")),
        (FileInfo.read, answer(body=b"L ?rw-r--r-- 1 1 2 5")),
        (FileInfo.read, answer(body=b"L -rw 1 1 2 5")),
        (Piece.read, answer()),
        (numbers_of, answer("x")),
        (lambda a: read_entries([a]), answer("2", body=b"G 81a4 5 12 13 1 2\n./a/")),
        (lambda a: read_entries([a]), answer("1", body=b"G 81a4 5 12 13 1 2\n./a")),
        (lambda a: read_entries([a]), answer("1", body=b"\xff\n./a/")),
        (lambda a: read_entries([a]), answer("many")),
        (lambda a: read_jobs([a]), answer("a")),
        (lambda a: read_jobs([a]), answer("a", "dead", "3", "7", "12", "1", "2")),
    ],
)
def test_an_answer_to_another_question_is_a_typed_error(
    read: Callable[[Answer], object], wrong: Answer
) -> None:
    """
    An answer that is framed, but does not have what the request wants, raises.
    """
    with pytest.raises(ControlShellError, match="to another question"):
        read(wrong)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ls: cannot access 'Permission denied': No such file or directory", FileNotFoundError),
        ("sh: 1: cannot open x: No such file", FileNotFoundError),
        ("cannot create x: Permission denied", PermissionError),
        ("x: Is a directory", IsADirectoryError),
        ("x: Not a directory", NotADirectoryError),
        ("mkdir: x: File exists", FileExistsError),
    ],
)
def test_errors_are_python_s_own(text: str, kind: type[OSError]) -> None:
    """
    The reason of an error decides its class, and not the name of the file before it.
    """
    error = error_of(Answer(1, "ERR", (), text.encode()), "path")
    assert (type(error), error.filename) == (kind, "path")


def test_an_error_without_a_known_reason() -> None:
    """
    Another reason is an OSError that has its text.
    """
    assert "odd \udcff" in str(error_of(Answer(1, "ERR", (), b"odd \xff")))
    assert "no reason" in str(error_of(Answer(1, "ERR", (), b"")))


def test_facts_and_greeting() -> None:
    """
    A greeting has the capabilities and the problem, and facts are lines with an equals sign.
    """
    greeting = Greeting.read(answer("1", "77", "base64,detach", body=b"no spool"))
    assert attrs.astuple(greeting) == (1, 77, frozenset({"base64", "detach"}), "no spool")
    assert facts_of(answer(body=b"a=b=c\nd=")) == {"a": "b=c", "d": ""}


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_checksums_are_those_of_posix(parts: list[bytes]) -> None:
    """
    The checksum is what cksum prints, in however many parts the bytes come.
    """
    checksum = Checksum()
    for part in parts:
        checksum.update(part)
    found = subprocess.run(["cksum"], input=b"".join(parts), capture_output=True, check=True)
    assert f"{checksum.value} {checksum.size}" == found.stdout.decode().strip()


def test_the_texts_of_commands() -> None:
    """
    A list is shown as a shell would read it; a string is shown, and kept, as it is.
    """
    assert command_text("echo 'ü'") == "echo 'ü'".encode()
    assert command_text(["a b", b"\xff", "c"]) == b"'a b' '\xff' c"


def test_what_becomes_the_process() -> None:
    """
    The lines of a job set its environment and its umask, and turn into the command.
    """
    assert run_text("a b", shell="/bin/zsh", env={"A": "x y"}, umask=0o22) == (
        b"export A='x y'\numask 022\n"
        b"[ -e /bin/zsh ] || { printf '%s: not found\\n' /bin/zsh >&2; exit 127; }\n"
        b"[ -x /bin/zsh ] && [ ! -d /bin/zsh ] ||"
        b" { printf '%s: Permission denied\\n' /bin/zsh >&2; exit 126; }\n"
        b"exec /bin/zsh -c 'a b'\n"
    )
    assert run_text("a b") == b"exec /bin/sh -c 'a b'\n"
    assert run_text(["a", "b c"]).endswith(b"\nexec a 'b c'\n")
    assert run_text("a" * 100_001, shell="b").endswith(b'\nexec b "$_ca_command"\n')


def test_the_bootstrap_is_short_and_generic() -> None:
    """
    What stands in the URL is below what an agent reads at once, and differs in the nonce alone.
    """
    text = program.bootstrap(NONCE)
    assert len(text) < 900
    assert text.startswith("#!/bin/sh\n")
    assert text.replace(NONCE, "x" * 8) == program.bootstrap("x" * 8)


def test_the_program_is_reduced() -> None:
    """
    Comments, indentation and long names are not sent, and every limit is filled in.
    """
    raw = program.program(NONCE, program.Limits(idle=7))
    assert int(raw[:7]) == len(raw) - 7
    lines = raw[7:].decode("ascii").splitlines()
    assert not [
        line
        for line in lines
        if line.startswith((" ", "#")) or "@" in line.replace("$@", "").replace("@ARGV", "")
    ]
    assert NONCE in raw.decode()
    assert program.reduced("a\n\n  # b\n  ca_x=ca_yy\n") == "a\nca0=ca1\n"
    with pytest.raises(AttributeError):
        program.Limits().idle = 1  # type: ignore[misc]
