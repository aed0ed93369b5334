"""
Files under each shell: what they are, their bytes, and their names.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from coder_agents.jobs.protocol import (
    Checksum,
    CopyFile,
    FileInfo,
    GetChecksum,
    GetPiece,
    Info,
    Inside,
    ListDirectory,
    MakeDirectory,
    Move,
    Piece,
    PutPiece,
    RemovePath,
    ReplaceFile,
    Stat,
    facts_of,
    numbers_of,
    read_entries,
)

from .shells import ControlShell

NAMES = [
    b"plain",
    b"with space",
    b" ",
    b"new\nline",
    b"\n",
    b"end\n",
    b"\xff\xfe",
    "ü€".encode(),
    b"-rf",
    b"*",
    b"?",
    b"[a]",
    b"$HOME",
    b"`id`",
    b"'",
    b'"',
    b"\\n",
    b"%s",
    b";",
    b"=",
    b".hidden",
    b"...",
    b"..a",
    b".[!.]*",
    b"~",
    b"\x1b[31m",
    b"Permission denied",
    b"a: Is a directory",
]


def info(control: ControlShell, path: Path | str | bytes, *, follow: bool = True) -> FileInfo:
    """
    Return what *path* is.
    """
    [answer] = control.ask(Stat(os.fsencode(path), follow=follow))
    return FileInfo.read(answer)


def piece(control: ControlShell, path: Path | str | bytes, offset: int, size: int) -> Piece:
    """
    Return a piece of *path*.
    """
    [answer] = control.ask(GetPiece(os.fsencode(path), offset=offset, max_bytes=size))
    return Piece.read(answer)


def checksum(data: bytes) -> int:
    """
    Return the checksum of *data*.
    """
    value = Checksum()
    value.update(data)
    return value.value


def test_hostile_names(control: ControlShell, home: Path) -> None:
    """
    A file with any name can be written, listed, described, read, moved and removed.
    """
    control.ask(MakeDirectory(home.joinpath("d").as_posix(), parents=True))
    for name in NAMES:
        path = os.fsencode(home) + b"/d/" + name
        control.ask(PutPiece(path, offset=0, data=name))
        assert Path(os.fsdecode(path)).read_bytes() == name
        assert info(control, path).size == len(name)
        assert piece(control, path, 0, 100).data == name
    entries = read_entries(control.ask(ListDirectory(str(home / "d"))))
    assert sorted(entries) == sorted(NAMES)
    assert {name: entry.size for name, entry in entries.items()} == {n: len(n) for n in NAMES}
    for name in NAMES:
        path = os.fsencode(home) + b"/d/" + name
        control.ask(Move(path, path + b"-moved"))
        control.ask(RemovePath(path + b"-moved"))
    assert read_entries(control.ask(ListDirectory(str(home / "d")))) == {}


def test_relative_names_begin_at_the_directory_of_the_agent(
    control: ControlShell, home: Path
) -> None:
    """
    A name without a slash is one of the working directory, also where it looks like an option.
    """
    for name in ("-rf", "-n", "a b"):
        control.ask(PutPiece(name, offset=0, data=b"x"))
        assert (home / name).read_bytes() == b"x"
        assert piece(control, name, 0, 9).data == b"x"
        control.ask(RemovePath(name))
    assert not (home / "-rf").exists()


def test_what_a_path_is(control: ControlShell, home: Path) -> None:
    """
    Mode, size, times and owner of files, directories and links are those of the system.
    """
    (home / "file").write_bytes(b"12345")
    (home / "file").chmod(0o4751)
    (home / "dir").mkdir(mode=0o750)
    (home / "link").symlink_to("file")
    (home / "broken").symlink_to("nowhere")
    os.mkfifo(home / "pipe")
    entries = read_entries(control.ask(ListDirectory(str(home))))
    for name in ("file", "dir", "link", "broken", "pipe"):
        known = (home / name).lstat()
        for found in (info(control, home / name, follow=False), entries[name.encode()]):
            assert (found.mode, found.uid, found.gid) == (known.st_mode, known.st_uid, known.st_gid)
            assert found.size == known.st_size
            assert found.modified == int(known.st_mtime)
            assert found.changed == int(known.st_ctime)
    assert info(control, home / "link") == info(control, home / "file")
    with pytest.raises(FileNotFoundError):
        info(control, home / "broken")


def test_a_change_changes_the_version(control: ControlShell, home: Path, shell: str) -> None:
    """
    A file that was written again with the same size has another version.
    """
    (home / "file").write_bytes(b"1")
    os.utime(home / "file", (1, 1))
    before = info(control, home / "file")
    (home / "file").write_bytes(b"2")
    after = info(control, home / "file")
    assert before.version != after.version
    assert before == info(control, home / "file") or before.size == after.size


def test_a_file_in_pieces(control: ControlShell, home: Path) -> None:
    """
    A file that is written and read in pieces, each of them twice, is exact to the byte.
    """
    data = os.urandom(900_000) + bytes(range(256))
    path = str(home / "file")
    for start in range(0, len(data), 500_000):
        part = data[start : start + 500_000]
        for repeated in (False, True):
            request = PutPiece(path, offset=start, data=part)
            [answer] = control.ask(request, repeated=repeated)
            assert numbers_of(answer)[0] >= start + len(part)
    assert (home / "file").read_bytes() == data
    found = b"".join(
        [piece(control, path, start, 300_000).data for start in range(0, 1_200_000, 300_000)]
    )
    assert found == data
    assert piece(control, path, len(data), 10) == Piece(b"", len(data))
    assert piece(control, path, len(data) + 5, 10) == Piece(b"", len(data))
    assert piece(control, path, 3, 0) == Piece(b"", len(data))
    [answer] = control.ask(GetChecksum(path))
    assert numbers_of(answer) == (checksum(data), len(data))


def test_a_piece_beyond_the_end_is_refused(control: ControlShell, home: Path) -> None:
    """
    A piece that begins where the file has not come to yet is an error, and is not written.
    """
    control.ask(PutPiece(str(home / "file"), offset=0, data=b"12"))
    for size in (1, 9000):
        with pytest.raises(OSError, match="Invalid argument"):
            control.ask(PutPiece(str(home / "file"), offset=3, data=b"x" * size))
    assert (home / "file").read_bytes() == b"12"
    assert control.run("exit 3").returncode == 3


def test_pieces_of_each_form(control: ControlShell, home: Path) -> None:
    """
    A piece arrives whole in the request's line and after it.
    """
    for size in (0, 1, 1500, 1501, 4095, 4096, 100_000):
        data = bytes(n % 256 for n in range(size))
        control.ask(PutPiece(str(home / f"file {size}"), offset=0, data=data))
        assert (home / f"file {size}").read_bytes() == data
    assert control.run("exit 9").returncode == 9


def test_files_whose_size_is_made_up(control: ControlShell) -> None:
    """
    A file of the system that claims another size than it has is read as it is.
    """
    version = Path("/proc/version").read_bytes()
    found = piece(control, "/proc/version", 0, 4096)
    assert (found.data, found.size) == (version, len(version))
    assert piece(control, "/proc/version", 3, 5).data == version[3:8]


def test_a_file_is_replaced_in_one_step(control: ControlShell, home: Path) -> None:
    """
    A replaced file has the new bytes and the old mode, through a link, too; a repeated request
    does nothing more.
    """
    (home / "real").write_bytes(b"old")
    (home / "real").chmod(0o640)
    (home / "link").symlink_to("real")
    inode = (home / "real").stat().st_ino
    control.ask(PutPiece(str(home / "new"), offset=0, data=b"fresh"))
    request = ReplaceFile(
        str(home / "link"), temporary=str(home / "new"), checksum=checksum(b"fresh"), size=5
    )
    for repeated in (False, True):
        control.ask(request, repeated=repeated)
    assert (home / "real").read_bytes() == b"fresh"
    assert (home / "link").is_symlink()
    assert stat.S_IMODE((home / "real").stat().st_mode) == 0o640
    assert (home / "real").stat().st_ino != inode
    assert not (home / "new").exists()
    with pytest.raises(FileNotFoundError):
        control.ask(request)


def test_a_new_file_gets_its_mode(control: ControlShell, home: Path) -> None:
    """
    A file that was not there gets the mode of the request, or what the umask leaves.
    """
    umask = os.umask(0)
    os.umask(umask)
    new = str(home / "new")
    for mode in (None, 0o600, 0o755, 0o4711):
        path = home / f"file {mode}"
        control.ask(PutPiece(new, offset=0, data=b"x"))
        control.ask(
            ReplaceFile(str(path), temporary=new, checksum=checksum(b"x"), size=1, mode=mode)
        )
        wanted = 0o666 & ~umask if mode is None else mode
        assert stat.S_IMODE(path.stat().st_mode) == wanted


def test_a_damaged_file_replaces_nothing(control: ControlShell, home: Path) -> None:
    """
    Where checksum or size are other ones, the old file stays.
    """
    (home / "file").write_bytes(b"old")
    control.ask(PutPiece(str(home / "new"), offset=0, data=b"new"))
    for value, size in ((checksum(b"new"), 4), (1, 3)):
        with pytest.raises(OSError, match="Input/output error"):
            control.ask(
                ReplaceFile(
                    str(home / "file"), temporary=str(home / "new"), checksum=value, size=size
                )
            )
    assert (home / "file").read_bytes() == b"old"


MISSING = "nowhere"


FAILING = (
    (Stat(MISSING), FileNotFoundError),
    (Stat("file/below"), NotADirectoryError),
    (ListDirectory(MISSING), FileNotFoundError),
    (ListDirectory("file"), NotADirectoryError),
    (GetPiece(MISSING, offset=0), FileNotFoundError),
    (GetPiece("dir", offset=0), IsADirectoryError),
    (GetPiece("pipe", offset=0), OSError),
    (PutPiece("nowhere/file", offset=0, data=b"x"), FileNotFoundError),
    (PutPiece("nowhere/file", offset=0, data=b"x" * 9000), FileNotFoundError),
    (PutPiece("file/below", offset=0, data=b"x"), NotADirectoryError),
    (PutPiece("dir", offset=0, data=b"x" * 9000), IsADirectoryError),
    (PutPiece("pipe", offset=0, data=b"x"), OSError),
    (GetChecksum(MISSING), FileNotFoundError),
    (GetChecksum("dir"), IsADirectoryError),
    (MakeDirectory("dir"), FileExistsError),
    (MakeDirectory("file", parents=True), FileExistsError),
    (MakeDirectory("nowhere/dir"), FileNotFoundError),
    (RemovePath(MISSING), FileNotFoundError),
    (RemovePath("dir"), OSError),
    (Move(MISSING, "other"), FileNotFoundError),
    (Move("file", "dir"), IsADirectoryError),
    (Move("dir", "file"), NotADirectoryError),
    (Move("empty", "dir"), OSError),
    (CopyFile(MISSING, "other"), FileNotFoundError),
    (CopyFile("dir", "other"), IsADirectoryError),
    (CopyFile("file", "dir"), IsADirectoryError),
    (CopyFile("file", "nowhere/file"), FileNotFoundError),
    (ReplaceFile(MISSING, temporary="none", checksum=1, size=1), FileNotFoundError),
    (ReplaceFile("dir", temporary="file", checksum=1, size=1), IsADirectoryError),
)


def test_what_cannot_be_done_is_an_error_of_python(control: ControlShell, home: Path) -> None:
    """
    A request that fails raises the class that Python has for the reason, and harms nothing.
    """
    (home / "file").write_text("text")
    (home / "dir").mkdir()
    (home / "empty").mkdir()
    (home / "dir" / "inside").write_text("")
    os.mkfifo(home / "pipe")
    for request, error in FAILING:
        with pytest.raises(error) as caught:
            control.ask(request)
        assert caught.value.errno is not None, request
        assert (home / "file").read_text() == "text", request
        assert (home / "dir" / "inside").exists(), request
    assert control.run("exit 3").returncode == 3


def test_repeated_requests_are_no_errors(control: ControlShell, home: Path) -> None:
    """
    What a first try has done already is no error where the request says that it is repeated.
    """
    (home / "from").write_text("x")
    for request in (MakeDirectory("d"), Move("from", "to"), RemovePath("d")):
        for repeated in (False, True):
            control.ask(request, repeated=repeated)
    assert [path.name for path in home.iterdir() if path.name[0] != "."] == ["to"]


def test_directories(control: ControlShell, home: Path) -> None:
    """
    A tree can be made, moved onto an empty directory, and removed.
    """
    control.ask(MakeDirectory("a/b/c", parents=True))
    control.ask(MakeDirectory("a/b/c", parents=True))
    control.ask(MakeDirectory("empty"))
    (home / "a" / "b" / "file").write_text("")
    control.ask(Move("a", "empty"))
    assert (home / "empty" / "b" / "file").exists()
    control.ask(RemovePath("empty", recursive=True))
    assert not (home / "empty").exists()


def test_a_link_is_removed_and_not_what_it_points_to(control: ControlShell, home: Path) -> None:
    """
    Removing a link to a directory leaves the directory.
    """
    (home / "dir").mkdir()
    (home / "link").symlink_to("dir")
    control.ask(RemovePath("link", recursive=True))
    assert [(home / "dir").is_dir(), (home / "link").is_symlink()] == [True, False]


def test_a_large_directory(control: ControlShell, home: Path) -> None:
    """
    A directory is listed whole, also where the names alone are more than a pipe holds.
    """
    names = {b"%0250d" % number for number in range(300)}
    (home / "many").mkdir()
    for name in names:
        (home / "many" / os.fsdecode(name)).touch()
    assert read_entries(control.ask(ListDirectory("many"))).keys() == names


def test_the_machine_and_the_container(control: ControlShell, home: Path) -> None:
    """
    The control shell reports the machine, and that it is in no container of a made-up id.
    """
    [answer] = control.ask(Info())
    facts = facts_of(answer)
    assert (facts["system"], facts["cwd"]) == (os.uname().sysname, str(home))
    assert facts["uid"] == str(os.getuid())
    [answer] = control.ask(Inside("0123456789abcdef"))
    facts = facts_of(answer)
    assert (facts["mount"], facts["name"]) == ("0", "0")
    assert facts["mounts"] == os.readlink("/proc/self/ns/mnt")
