"""
Copies between this machine and agents.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from full_disk import limited

from coder_agents.cli import exits
from coder_agents.cli.copying import AgentFiles, Copy, Entry, LocalFiles, PlaceError
from coder_agents.cli.places import CopyPlace
from coder_agents.testing import Deployment

from .conftest import Run

DATA = bytes(range(256)) * 500


@pytest.fixture
def home(deployment: Deployment) -> Path:
    """
    The folder of the agent ``dev``, which is on this machine.
    """
    directory = deployment.agents[0].machine.directory
    assert directory is not None
    return directory


@pytest.fixture
def tree(environment: Path) -> Path:
    """
    A folder with files, folders and links.
    """
    tree = environment / "tree"
    (tree / "sub" / "empty").mkdir(parents=True)
    (tree / "data").write_bytes(DATA)
    (tree / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (tree / "sub" / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("data")
    (tree / "loop").symlink_to(".")
    (tree / "broken").symlink_to("nowhere")
    return tree


def files(folder: Path) -> dict[str, bytes | None]:
    """
    Return the files in *folder* with their contents; a folder has None.
    """
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


COPIED = {
    "data": DATA,
    "link": DATA,
    "sub": None,
    "sub/empty": None,
    "sub/run.sh": b"#!/bin/sh\n",
}


def test_a_folder_is_copied_there_and_back(run: Callable[..., Run], tree: Path, home: Path) -> None:
    """
    Files, folders and modes are copied; a link to a file is copied as the file, and other links are reported.
    """
    sent = run("cp", "-r", "tree", "dev:there")
    assert sent.status == 0
    assert files(home / "there") == COPIED
    assert sent.err.count("skipped") == 2
    assert stat.S_IMODE((home / "there/sub/run.sh").stat().st_mode) == 0o755
    (home / "there" / "pipe.link").symlink_to("sub")
    returned = run("cp", "-r", "dev:there", "back")
    assert files(tree.parent / "back") == COPIED
    assert returned.err.count("skipped") == 1
    assert os.access("back/sub/run.sh", os.X_OK)
    # As with cp, a folder that is there gets the copy into it.
    assert run("cp", "-r", "dev:there/sub", "back").status == 0
    assert run("cp", "-r", "dev:there/sub", "evil:" + str(home / "evil")).status == 0
    assert files(home / "evil") == {"empty": None, "run.sh": b"#!/bin/sh\n"}


def test_a_file_is_copied_to_a_name_and_into_a_folder(
    run: Callable[..., Run], tree: Path, home: Path
) -> None:
    """
    The target is the new name, or the folder for the same name; several files need a folder.
    """
    assert run("cp", "tree/data", "dev:~/named").status == 0
    assert (home / "named").read_bytes() == DATA
    assert run("cp", "tree/data", "tree/sub/run.sh", "tester/dev.main:").status == 0
    assert (home / "data").read_bytes() == DATA
    assert run("cp", f"dev:{home}/named", ".").status == 0
    assert Path("named").read_bytes() == DATA
    refused = run("cp", "tree/data", "tree/sub/run.sh", "dev:nowhere")
    assert refused.status == exits.FAILED
    assert "dev:nowhere: is no folder" in refused.err
    assert run("cp", "tree/data", "dev:nowhere/").status == exits.FAILED


def test_what_cannot_be_copied_is_reported_and_the_others_are_copied(
    run: Callable[..., Run], tree: Path, home: Path
) -> None:
    """
    A folder without -r and a missing file fail, and the code is 1; the other files are copied.
    """
    (home / "into").mkdir()
    ended = run("cp", "dev:missing", "dev:into", "tree/data", "dev:into")
    assert ended.status == exits.FAILED
    assert ended.err.count("use -r") == 1
    assert ended.err.count("No such file or directory") == 1
    assert files(home / "into") == {"data": DATA}


def test_an_existing_file_keeps_its_mode(run: Callable[..., Run], tree: Path, home: Path) -> None:
    """
    The mode of a source is given to new files alone.
    """
    (home / "kept").touch(mode=0o600)
    (home / "kept").chmod(0o600)
    assert run("cp", "tree/sub/run.sh", "dev:kept").status == 0
    assert stat.S_IMODE((home / "kept").stat().st_mode) == 0o600
    Path("mine").touch()
    Path("mine").chmod(0o640)
    assert run("cp", "dev:kept", "mine").status == 0
    assert stat.S_IMODE(Path("mine").stat().st_mode) == 0o640


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(
    run: Callable[..., Run], tree: Path, home: Path
) -> None:
    """
    A pipe or a device as the target, such as /dev/null, is never replaced, and its mode is left alone.
    """
    (home / "for a pipe").write_bytes(b"through")
    (home / "for a pipe").chmod(0o755)
    os.mkfifo("pipe", 0o600)
    reader = os.open("pipe", os.O_RDWR)  # which waits for no writer
    try:
        assert run("cp", "dev:for a pipe", "pipe").status == 0
        assert Path("pipe").is_fifo()
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_IMODE(Path("pipe").stat().st_mode) == 0o600


def test_progress_is_shown_on_a_terminal(shown: Callable[..., Run], tree: Path) -> None:
    """
    A terminal shows the bytes that were copied, and nothing with --quiet.
    """
    ended = shown("cp", "tree/data", "dev:progress")
    assert ended.status == 0
    assert "128.0/128.0 kB" in ended.err
    assert shown("cp", "-q", "tree/data", "dev:progress").err == ""


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "a\0b"])
def test_a_hostile_agent_leads_out_of_no_folder(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    A name that an agent lists in a folder cannot be a path.
    """

    class Hostile:
        """
        A file system whose folder has the name.
        """

        def ls(self, path: str) -> Iterator[dict[str, Any]]:
            """
            Yield the entry.
            """
            yield {"name": f"{path}/{name}", "type": "file", "size": 1, "mode": 0}

    with deployment.client() as client:
        found = AgentFiles(client)
        monkeypatch.setattr(found, "system", Hostile())
        with pytest.raises(ValueError, match="is not copied"):
            list(found.below(Entry("dev/x", (), "directory", 0, 0)))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["dev:missing", "."], "dev:missing: No such file or directory"),
        (["dev:~/missing", "."], "dev:~/missing: No such file or directory"),
        (["tester/dev.main:/missing", "."], "tester/dev.main:/missing: No such file or directory"),
        (["missing", "dev:"], "missing: No such file or directory"),
        (["tree/data", "dev:/proc/data"], "dev:/proc/data: No such file or directory"),
        (["-r", "tree/sub", "dev:taken"], "dev:taken/sub: "),
        (["dev:taken/sub", "tree/data/x"], "tree/data/x: File exists"),
        (["dev:taken/sub", "dev:/proc/x"], "dev:taken/sub to dev:/proc/x: "),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_an_error_names_the_path_as_it_was_typed(
    run: Callable[..., Run], tree: Path, home: Path, arguments: list[str], line: str
) -> None:
    """
    The line begins with the place as it was typed, on the side that has the error.
    """
    (home / "taken").mkdir(exist_ok=True)
    (home / "taken" / "sub").write_bytes(b"")
    ended = run("cp", *arguments)
    assert ended.status == exits.FAILED
    assert ended.err.startswith(f"coder-agents: {line}")
    assert str(home) not in ended.err


def test_an_error_below_a_folder_names_the_file(
    run: Callable[..., Run], tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The place of a file in a folder continues the place that was typed, also where it is skipped.
    """
    (home / "deep" / "in").mkdir(parents=True)
    (home / "deep" / "in" / "lost").symlink_to("nowhere")
    assert run("cp", "-r", "dev:deep", "got").err.startswith(
        "coder-agents: dev:deep/in/lost: skipped"
    )
    (home / "onto" / "sub" / "run.sh").mkdir(parents=True)
    ended = run("cp", "-r", "tree/sub", "dev:onto")
    assert ended.err.startswith("coder-agents: dev:onto/sub/run.sh: ")


def test_a_folder_that_cannot_be_created_is_reported_once(
    run: Callable[..., Run], tree: Path, home: Path
) -> None:
    """
    Nothing is tried below it, and the other copies are made.
    """
    (home / "once").mkdir()
    (home / "once" / "tree").write_text("a file")
    ended = run("cp", "-r", "-q", "tree", "tree/data", "dev:once")
    assert ended.status == exits.FAILED
    errors = [line for line in ended.err.splitlines() if "skipped" not in line]
    assert len(errors) == 1
    assert errors[0].startswith("coder-agents: dev:once/tree: ")
    assert (home / "once" / "data").read_bytes() == DATA


def test_a_folder_that_cannot_be_read_hides_no_other_one(
    run: Callable[..., Run], tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The error is reported, and what comes after that folder is copied.
    """
    (tree / "closed").mkdir()
    listdir = os.listdir

    def refusing(path: str) -> list[str]:
        if path.endswith("closed"):  # root can read every folder
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refusing)
    ended = run("cp", "-r", "-q", "tree", "dev:partly")
    assert ended.status == exits.FAILED
    assert "coder-agents: tree/closed: Permission denied" in ended.err.splitlines()
    assert (home / "partly" / "data").read_bytes() == DATA
    assert (home / "partly" / "sub" / "run.sh").exists()


def test_a_full_disk_names_the_file(run: Callable[..., Run], home: Path, environment: Path) -> None:
    """
    The error of a local file that cannot grow names that file, as the system does not.
    """
    (home / "large").write_bytes(DATA)
    with limited(len(DATA) // 2):
        ended = run("cp", "dev:large", "here")
    assert ended.err == "coder-agents: here: File too large\n"
    assert not Path("here").exists()


def test_a_source_that_cannot_be_read_is_named(deployment: Deployment, environment: Path) -> None:
    """
    An error in the middle of a file is that of the source, though it comes while the target is written.
    """
    place, into = (
        CopyPlace("", "/proc/self/mem"),
        CopyPlace("dev", "mem"),
    )  # its first page cannot be read
    with deployment.client() as client:
        files_there = AgentFiles(client)
        copy = Copy(LocalFiles(), files_there, files_there.path(into), place, into)
        with pytest.raises(PlaceError) as failed:
            copy.run(Entry(place.path, (), "file", 1, 0o600), lambda count: None)
    assert failed.value.filename == "/proc/self/mem"


def test_what_is_neither_a_file_nor_a_folder_is_skipped(
    run: Callable[..., Run], environment: Path
) -> None:
    """
    A named pipe in a folder is reported and not read.
    """
    (environment / "odd").mkdir()
    os.mkfifo(environment / "odd" / "pipe")
    ended = run("cp", "-r", "odd", "dev:odd")
    assert (ended.status, ended.err.count("skipped")) == (0, 1)


def test_an_error_of_the_deployment_ends_the_command(
    run: Callable[..., Run], environment: Path
) -> None:
    """
    A deployment that cannot be reached is reported once, and not for each path that it concerns.
    """
    ended = run("--url", "http://127.0.0.1:1", "cp", "dev:x", "dev:y", ".")
    assert ended.status == exits.FAILED
    assert ended.err.count("\n") == 1
    assert list(environment.iterdir()) == []


def test_a_file_whose_mode_is_not_known_gets_that_of_a_new_file(
    deployment: Deployment, home: Path, tmp_path: Path
) -> None:
    """
    The mode 0 of such a file is not given to the copy, which nobody could read then.
    """
    (home / "modeless").write_bytes(DATA)
    (tmp_path / "new").touch()
    counts: list[int] = []
    with deployment.client() as client:
        place = CopyPlace("dev", f"{home}/modeless")
        into = CopyPlace("", str(tmp_path / "copy"))
        copy = Copy(AgentFiles(client), LocalFiles(), into.path, place, into)
        copy.run(Entry(f"dev{home}/modeless", (), "file", len(DATA), 0), counts.append)
    assert (tmp_path / "copy").read_bytes() == DATA
    assert (tmp_path / "copy").stat().st_mode == (tmp_path / "new").stat().st_mode
    assert sum(counts) == len(DATA)
