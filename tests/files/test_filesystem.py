"""
What the file system of agents does beyond fsspec's own tests.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("fsspec")

import fsspec
from forked import Child, held_by_another_thread
from fsspec.callbacks import Callback

from coder_agents import Client, CoderError
from coder_agents.errors import WorkspaceNotFoundError
from coder_agents.filesystem import AgentFileSystem
from coder_agents.filesystem.places import Places
from coder_agents.filesystem.readable import moment_of
from coder_agents.jobs.piece_size import FIRST_PIECE
from coder_agents.testing import Deployment

DATA = os.urandom(FIRST_PIECE + 4321)


@pytest.fixture
def environment(kept_deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An environment that names the deployment, and an fsspec that knows the protocol.
    """
    monkeypatch.setenv("CODER_URL", kept_deployment.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", kept_deployment.token)
    fsspec.register_implementation("coder", AgentFileSystem, clobber=True)


@pytest.mark.usefixtures("environment")
def test_fsspec_opens_a_url(root: str, tmp_path: Path) -> None:
    """
    ``fsspec.open`` with a URL writes and reads a file, as bytes and as text, with settings from the environment.
    """
    with fsspec.open(f"coder://{root}/file", "wb") as file:
        file.write(DATA)
    assert (tmp_path / "file").read_bytes() == DATA
    with fsspec.open(f"coder://{root}/file", "rb") as file:
        assert file.read() == DATA
    with fsspec.open(f"coder://{root}/text", "w", encoding="utf-8") as text:
        text.write("ü\n")
    with fsspec.open(f"coder://{root}/text", "r", encoding="utf-8") as text:
        assert text.read() == "ü\n"


@pytest.mark.usefixtures("environment")
def test_pandas_reads_a_table(root: str, tmp_path: Path) -> None:
    """
    ``pandas.read_csv`` reads a file of an agent by its URL.
    """
    pandas = pytest.importorskip("pandas")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n3,4\n")
    assert pandas.read_csv(f"coder://{root}/table.csv")["b"].tolist() == [2, 4]


@pytest.mark.parametrize(
    "prefix",
    [
        "dev",
        "dev.main",
        "tester/dev",
        "@tester/dev",
        "tester/dev.main",
        "coder://dev",
        "coder://tester/dev",
    ],
)
def test_each_reference_of_an_agent(fs: AgentFileSystem, tmp_path: Path, prefix: str) -> None:
    """
    A path may begin with workspace, agent and owner as everywhere, and what is listed begins the same.
    """
    (tmp_path / "file").write_bytes(b"12345")
    for _ in range(2):
        [found] = fs.ls(f"{prefix}{tmp_path}")
    assert found["name"] == f"{prefix.removeprefix('coder://')}{tmp_path}/file"
    assert found["size"] == 5
    assert fs.info(found["name"]) == found


def test_a_path_that_leads_to_no_agent(fs: AgentFileSystem) -> None:
    """
    A path without a workspace, and one of an unknown workspace, are errors that say so.
    """
    with pytest.raises(FileNotFoundError, match="coder://workspace/absolute/path"):
        fs.ls("")
    for path in ("nowhere", "nowhere/tmp"):
        with pytest.raises(WorkspaceNotFoundError, match="nowhere"):
            fs.ls(path)
        assert not fs.exists(path)


def test_errors_name_the_workspace(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    The path in an error begins with the agent's reference, so that nobody takes it for a local one.
    """
    (tmp_path / "file").write_bytes(b"x")
    for call, error, path in (
        (fs.cat_file, FileNotFoundError, f"{root}/none"),
        (fs.open, IsADirectoryError, root),
        (fs.makedirs, FileExistsError, root),
    ):
        with pytest.raises(error) as caught:
            call(f"coder://{path}")
        assert caught.value.filename == path


def test_a_file_system_shows_its_deployment(environment: None, kept_deployment: Deployment) -> None:
    """
    The repr names the deployment as soon as that is known, and builds no client for it.
    """
    fs = AgentFileSystem()
    assert repr(fs) == "<AgentFileSystem>"
    assert fs.exists("dev/tmp")
    assert repr(fs) == f"<AgentFileSystem of <Client {kept_deployment.url}>>"


def test_the_root_of_an_agent(fs: AgentFileSystem) -> None:
    """
    The name of a workspace alone is the root of its agent.
    """
    assert fs.info("dev")["type"] == "directory"
    assert "dev/proc" in fs.ls("dev", detail=False)


def test_what_a_path_is(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    Size, type, mode and times are those of the system; a link is followed, but not in a list.
    """
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    known = (tmp_path / "file").stat()
    info = fs.info(f"{root}/file")
    assert (info["size"], info["mode"], info["type"]) == (5, known.st_mode, "file")
    kinds = {each["name"].rpartition("/")[2]: each["type"] for each in fs.ls(root)}
    assert kinds == {
        "broken": "link",
        "dir": "directory",
        "file": "file",
        "link": "link",
        "pipe": "other",
    }
    assert fs.ls(f"{root}/file", detail=False) == [f"{root}/file"]
    assert fs.modified(f"{root}/file") == datetime.fromtimestamp(int(known.st_mtime), UTC)
    assert fs.created(f"{root}/file") == datetime.fromtimestamp(int(known.st_ctime), UTC)
    found = [
        [call(f"{root}/{name}") for call in (fs.exists, fs.lexists, fs.isfile, fs.isdir)]
        for name in ("file", "link", "broken", "none", "file/below")
    ]
    assert found == [
        [True, True, True, False],
        [True, True, False, True],
        [False, True, False, False],
        [False, False, False, False],
        [False, False, False, False],
    ]


def test_an_agent_without_times() -> None:
    """
    Where the agent cannot report a time, asking for one is an error, and not a wrong time.
    """
    with pytest.raises(NotImplementedError, match="time"):
        moment_of(None)


def test_names_that_are_not_utf_8(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    A listed name with spaces, newlines and bytes that are not UTF-8 leads to its file, and back.
    """
    for raw in (b"a b", b"new\nline", b"\xff\xfe", "ü€".encode()):
        (tmp_path / os.fsdecode(raw)).write_bytes(raw)
    for path in fs.find(root):
        raw = path.rpartition("/")[2].encode("utf-8", "surrogateescape")
        assert fs.cat_file(path) == raw
        fs.mv(path, f"{path}2")
        fs.get_file(f"{path}2", f"{tmp_path}/local")
        fs.put_file(f"{tmp_path}/local", path)
        assert fs.cat_file(path) == (tmp_path / "local").read_bytes() == raw


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None),
        (0, None),
        (3, None),
        (None, 4),
        (2, 5),
        (-3, None),
        (None, -3),
        (-5, -2),
        (5, 2),
        (7, 99),
        (99, None),
    ],
)
def test_ranges(
    fs: AgentFileSystem, root: str, tmp_path: Path, start: int | None, end: int | None
) -> None:
    """
    A range is that of a slice, also of a file that reports no size.
    """
    (tmp_path / "file").write_bytes(b"0123456789")
    assert fs.cat_file(f"{root}/file", start, end) == b"0123456789"[start:end]
    version = Path("/proc/version").read_bytes()
    assert fs.cat_file("dev/proc/version", start, end) == version[start:end]


def test_a_file_that_is_open(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    A file can be read from any place; the bytes are those of the file as it was opened, or an error.
    """
    (tmp_path / "file").write_bytes(DATA)
    with fs.open(f"{root}/file", block_size=1000) as file:
        file.seek(-10, 2)
        assert file.read() == DATA[-10:]
        file.seek(5)
        assert file.read(4) == DATA[5:9]
        (tmp_path / "file").write_bytes(DATA[::-1])
        file.seek(500_000)
        with pytest.raises(OSError, match="changed"):
            file.read(4)
    with fs.open("dev/proc/version") as file:
        assert file.read() == Path("/proc/version").read_bytes()
    with pytest.raises(IsADirectoryError):
        fs.open(root)
    with pytest.raises(FileNotFoundError):
        fs.open(f"{root}/none")


def test_an_open_file_can_be_pickled(environment: None, root: str, tmp_path: Path) -> None:
    """
    A file that is open for reading continues at its place after a pickle.
    """
    (tmp_path / "file").write_bytes(b"0123456789")
    with AgentFileSystem().open(f"{root}/file") as file:
        file.seek(4)
        with pickle.loads(pickle.dumps(file)) as again:
            assert again.read() == b"456789"


def test_a_file_is_written_in_one_step(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    What is written appears when the file is closed, and what is appended after what was there.
    """
    path = f"{root}/file"
    with fs.open(path, "wb", block_size=1000) as file:
        file.write(DATA)
        file.flush()
        assert not fs.exists(path)
    assert (tmp_path / "file").read_bytes() == DATA
    with fs.open(path, "ab") as file:
        file.write(b"more")
    assert (tmp_path / "file").read_bytes() == DATA + b"more"
    with fs.open(f"{root}/new", "ab") as file:
        file.write(b"first")
    assert (tmp_path / "new").read_bytes() == b"first"
    with pytest.raises(FileExistsError):
        fs.open(path, "xb")
    with fs.open(f"{root}/exclusive", "xb"):
        pass
    assert (tmp_path / "exclusive").read_bytes() == b""


def test_a_transaction_commits_or_discards(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    Within a transaction nothing appears before its end, and after an error nothing at all.
    """
    with fs.transaction:
        with fs.open(f"{root}/kept", "wb") as file:
            file.write(b"1")
        assert os.path.exists(tmp_path / "kept") is False
    assert (tmp_path / "kept").read_bytes() == b"1"
    with pytest.raises(ZeroDivisionError), fs.transaction:
        with fs.open(f"{root}/dropped", "wb") as file:
            file.write(b"1")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["kept"]
    unwritten = fs.open(f"{root}/never", "wb", autocommit=False)
    unwritten.discard()
    unwritten.close()
    unwritten.discard()
    assert os.listdir(tmp_path) == ["kept"]


def test_a_failed_write_is_not_tried_again(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    After an error the file is closed, and nothing is left beside it.
    """
    (tmp_path / "dir").mkdir()
    file = fs.open(f"{root}/dir", "wb")
    file.write(b"x")
    with pytest.raises(IsADirectoryError):
        file.close()
    assert file.closed
    file.close()
    early = fs.open(f"{root}/none/file", "wb", block_size=2)
    with pytest.raises(FileNotFoundError):
        early.write(b"12345")
    assert early.closed
    assert os.listdir(tmp_path) == ["dir"]


def test_a_tree_there_and_back(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    ``put`` and ``get`` copy a tree with its empty directories, and globs choose from it.
    """
    local = tmp_path / "local"
    (local / "empty").mkdir(parents=True)
    (local / "sub").mkdir()
    (local / "a.txt").write_bytes(b"a")
    (local / "sub" / "b.txt").write_bytes(DATA)
    fs.put(str(local), f"{root}/remote", recursive=True)
    assert (tmp_path / "remote" / "sub" / "b.txt").read_bytes() == DATA
    assert fs.glob(f"{root}/remote/**/*.txt") == [
        f"{root}/remote/a.txt",
        f"{root}/remote/sub/b.txt",
    ]
    fs.get(f"{root}/remote", str(tmp_path / "back"), recursive=True)
    assert (tmp_path / "back" / "sub" / "b.txt").read_bytes() == DATA
    assert (tmp_path / "back" / "empty").is_dir()
    fs.get_file(f"{root}/remote/a.txt", tmp_path / "as a path")
    with open(tmp_path / "as a file", "wb") as file:
        fs.get_file(f"{root}/remote/a.txt", file)
    with open(tmp_path / "as an outfile", "wb") as file:
        fs.get_file(f"{root}/remote/a.txt", None, outfile=file)
    for name in ("as a path", "as a file", "as an outfile"):
        assert (tmp_path / name).read_bytes() == b"a"


def test_a_failed_get_leaves_nothing(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    Where a download fails, the local file is as it was, and nothing is beside it.
    """
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "target").write_bytes(b"old")

    class Failing(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fs.get_file(f"{root}/file", str(tmp_path / "local" / "target"), callback=Failing())
    assert (tmp_path / "local" / "target").read_bytes() == b"old"
    assert os.listdir(tmp_path / "local") == ["target"]


def test_a_get_replaces_neither_a_pipe_nor_a_link(
    fs: AgentFileSystem, root: str, tmp_path: Path
) -> None:
    """
    What is no file, such as /dev/null, is written to and stays what it is; of a link, its file is replaced.
    """
    (tmp_path / "file").write_bytes(b"new")
    pipe, link, old = tmp_path / "pipe", tmp_path / "link", tmp_path / "old"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)  # which waits for no writer
    try:
        fs.get_file(f"{root}/file", str(pipe))
        assert pipe.is_fifo()
        assert os.read(reader, 100) == b"new"
    finally:
        os.close(reader)
    old.write_bytes(b"old")
    link.symlink_to("old")
    fs.get_file(f"{root}/file", link)
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "old", "pipe"]


def test_progress_is_reported(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    A callback gets the size first, and then all bytes as they come.
    """
    (tmp_path / "file").write_bytes(DATA)
    up, down = Callback(), Callback()
    fs.put_file(str(tmp_path / "file"), f"{root}/remote", callback=up)
    fs.get_file(f"{root}/remote", str(tmp_path / "back"), callback=down)
    for callback in (up, down):
        assert (callback.size, callback.value) == (len(DATA), len(DATA))


def test_nothing_that_is_there_is_overwritten_in_create_mode(
    fs: AgentFileSystem, root: str, tmp_path: Path
) -> None:
    """
    With the mode "create", an existing file is an error and stays.
    """
    (tmp_path / "local").write_bytes(b"new")
    fs.put_file(str(tmp_path / "local"), f"{root}/file", mode="create")
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "local"), f"{root}/file", mode="create")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{root}/file", b"x", mode="create")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_directories(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    Directories are made and removed with the errors that Python has for them.
    """
    fs.mkdir(f"{root}/a/b")
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{root}/a/b")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{root}/none/b", create_parents=False)
    fs.makedirs(f"{root}/a/c/d")
    fs.makedirs(f"{root}/a/c/d", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs(f"{root}/a/c/d")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError) as caught:
        fs.rmdir(f"{root}/file")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOTDIR, f"{root}/file")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{root}/a")
    fs.rmdir(f"{root}/a/b")
    assert sorted(os.listdir(tmp_path / "a")) == ["c"]


def test_a_tree_is_removed_and_not_what_links_in_it_lead_to(
    fs: AgentFileSystem, root: str, tmp_path: Path
) -> None:
    """
    Removing a tree leaves what symbolic links in it point to, and takes links that lead nowhere.
    """
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"x")
    for name in ("tree", "tree2"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "link").symlink_to(tmp_path / "outside")
        (tmp_path / name / "loop").symlink_to(".")
        (tmp_path / name / "sub" / "file").write_bytes(b"x")
    (tmp_path / "broken").symlink_to("nowhere")
    assert f"{root}/tree/loop/loop" not in fs.find(f"{root}/tree")
    for maxdepth in (None, 1):
        fs.rm(f"{root}/tree/link", recursive=True, maxdepth=maxdepth)
        (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside")
    fs.rm(f"{root}/tree", recursive=True)
    fs.rm(f"{root}/tree2", recursive=True, maxdepth=3)
    fs.rm([f"{root}/broken"])
    fs.touch(f"{root}/x1")
    fs.touch(f"{root}/x2")
    fs.rm(f"{root}/x?")
    fs.touch(f"{root}/y")
    fs.rm_file(f"{root}/y")
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{root}/none")
    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(tmp_path / "outside") == ["precious"]


def test_copies_and_moves_on_one_agent(fs: AgentFileSystem, root: str, tmp_path: Path) -> None:
    """
    A copy has the bytes and the mode; a move renames files and directories, also into a directory.
    """
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o751)
    (tmp_path / "dir" / "sub").mkdir(parents=True)
    fs.cp_file(f"{root}/file", f"{root}/copy")
    assert (tmp_path / "copy").stat().st_mode == (tmp_path / "file").stat().st_mode
    with pytest.raises(IsADirectoryError):
        fs.cp_file(f"{root}/file", f"{root}/dir")
    for source in ("none", "file"):
        with pytest.raises(FileNotFoundError):
            fs.cp_file(f"{root}/{source}", f"{root}/nowhere/file")
    fs.mv(f"{root}/copy", f"{root}/dir")
    fs.mv(f"{root}/file", f"{root}/dir/")
    fs.mv(f"{root}/dir", f"{root}/moved")
    fs.mv(f"{root}/moved/file", f"{root}/moved")
    assert sorted(os.listdir(tmp_path / "moved")) == ["copy", "file", "sub"]
    fs.mv(f"{root}/moved/*", f"{root}/", recursive=True)
    assert sorted(os.listdir(tmp_path)) == ["copy", "file", "moved", "sub"]


def test_missing_directories_are_created_if_so_built(
    fs_of_dev: AgentFileSystem, root: str, tmp_path: Path
) -> None:
    """
    With auto_mkdir each way to write creates the directories above.
    """
    fs = fs_of_dev
    fs.pipe_file(f"{root}/a/1", b"1")
    fs.put_file(str(tmp_path / "a" / "1"), f"{root}/b/1")
    fs.cp_file(f"{root}/a/1", f"{root}/c/1")
    with fs.open(f"{root}/d/1", "wb") as file:
        file.write(b"1")
    fs.mv(f"{root}/a/1", f"{root}/e/1")
    found = {path.parent.name: path.read_bytes() for path in tmp_path.glob("*/1")}
    assert found == dict.fromkeys("bcde", b"1")
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{root}/none", f"{root}/f/1")
    assert not (tmp_path / "f").exists()


def test_copies_between_agents(tmp_path: Path) -> None:
    """
    A file is copied and moved from one agent to another one through this program, in bounded memory.
    """
    with Deployment() as deployment:
        for name in ("one", "two"):
            deployment.add_agent(workspace=name)
        (tmp_path / "file").write_bytes(DATA)
        (tmp_path / "dir").mkdir()
        with deployment.client() as client:
            fs = AgentFileSystem(client=client)
            fs.cp_file(f"one{tmp_path}/file", f"two{tmp_path}/copy")
            assert (tmp_path / "copy").read_bytes() == DATA
            fs.mv(f"one{tmp_path}/file", f"two{tmp_path}/moved")
            fs.cp_file(f"one{tmp_path}/dir", f"two{tmp_path}/dir2")
    assert (tmp_path / "moved").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["copy", "dir", "dir2", "moved"]


def test_out_of_reach_is_not_missing() -> None:
    """
    Asking whether a path exists on an agent that is out of reach is an error, and not a no.
    """
    with Deployment() as deployment:
        deployment.add_agent(workspace="dev")
        with deployment.client(timeout=(1, 0.3)) as client:
            fs = AgentFileSystem(client=client)
            deployment.faults.add("drop", route="pty", times=None)
            for call in (fs.exists, fs.isfile, fs.isdir):
                with pytest.raises(CoderError):
                    call("dev/tmp")


def test_a_restarted_workspace_is_resolved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A file system reaches the agent of the next build, and resolves nothing again while it is connected.
    """
    monkeypatch.setattr("coder_agents.filesystem.places._FRESH", 0)
    (tmp_path / "file").write_bytes(DATA)
    with Deployment() as deployment:
        first = deployment.add_agent(workspace="dev")
        with deployment.client() as client:
            fs = AgentFileSystem(client=client)
            assert fs.cat_file(f"dev{tmp_path}/file") == DATA
            asked = len(deployment.requests)
            assert fs.cat_file(f"dev{tmp_path}/file") == DATA
            assert len(deployment.requests) == asked
            deployment.workspace("dev").start_build().complete()
            first.disconnect()
            for connection in deployment.connections.snapshot().values():
                connection.abort()
            assert fs.cat_file(f"dev{tmp_path}/file") == DATA


@pytest.mark.usefixtures("environment")
def test_the_token_is_in_no_text(kept_deployment: Deployment, kept_client: Client) -> None:
    """
    A file system from the environment is pickled and written as JSON without the token; one with a client
    is not written at all.
    """
    fs = AgentFileSystem(auto_mkdir=True)
    assert fs.client.agent("dev").name == "main"
    texts = [repr(fs), fs.to_json(), str(fs.storage_options), pickle.dumps(fs).decode("latin-1")]
    for text in texts:
        assert kept_deployment.token not in text
    assert json.loads(fs.to_json())["auto_mkdir"] is True
    for again in (AgentFileSystem.from_json(fs.to_json()), pickle.loads(pickle.dumps(fs))):
        assert again.auto_mkdir
        assert again.exists("dev/proc")
    given = AgentFileSystem(client=kept_client)
    for call in (given.to_json, given.to_dict):
        with pytest.raises(TypeError, match="client="):
            call()
    assert kept_deployment.token not in repr(given) + str(given.storage_options)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without fsspec the import of the file system fails, and says which extra is missing.
    """
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.delitem(sys.modules, "coder_agents.filesystem")
    with pytest.raises(ImportError, match=r"pip install 'coder-agents\[files\]'"):
        importlib.import_module("coder_agents.filesystem")


def test_the_package_does_not_import_fsspec() -> None:
    """
    Importing the package, its client and its jobs leaves fsspec alone.
    """
    code = "import coder_agents, coder_agents.client, coder_agents.jobs.files, sys; print('fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_resolves_while_a_thread_of_its_parent_does() -> None:
    """
    The lock that the other thread holds during a request is free in the child.
    """
    places = Places(None)

    def resolve() -> str:
        with pytest.raises(FileNotFoundError) as caught:
            places.split("/etc/hosts")
        return str(caught.value)

    with held_by_another_thread(places._lock.current):
        assert "no workspace" in Child(resolve).result()
