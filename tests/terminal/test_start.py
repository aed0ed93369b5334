"""
The program that starts the command of a terminal, under the shells that agents have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from coder_agents.terminal.start import MAX_PROGRAM, attaching, beginning_of, killing, starting

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}


@pytest.fixture(params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    """
    Return the command of a POSIX shell.
    """
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return command


def run(shell: list[str], program: str, home: Path, **more: str) -> bytes:
    """
    Return what *program* writes.
    """
    environment = {"HOME": str(home), "SHELL": "/bin/sh", "PATH": os.environ["PATH"], **more}
    done = subprocess.run(
        [*shell, "-c", program], env=environment, capture_output=True, check=False
    )
    assert done.stderr == b""
    return done.stdout


def test_a_command_starts_once(shell: list[str], tmp_path: Path) -> None:
    """
    A client that attaches after its end gets that report, and starts nothing.
    """
    reconnect_id = uuid.uuid4()
    marker = tmp_path / "ran"
    program = starting(reconnect_id, f"echo 'it''s' \"$HOME\"; echo x >> {marker}")
    begun = beginning_of(run(shell, program, tmp_path), reconnect_id)
    assert begun is not None
    assert (begun.is_running, begun.output) == (True, f"its {tmp_path}\n".encode())
    for again in (program, attaching(reconnect_id)):
        ended = beginning_of(run(shell, again, tmp_path), reconnect_id)
        assert ended is not None
        assert (ended.is_running, ended.is_known) == (False, True)
    assert marker.read_text() == "x\n"


def test_a_terminal_that_never_was_is_not_started(shell: list[str], tmp_path: Path) -> None:
    """
    Attaching to an id that the agent does not know reports that.
    """
    reconnect_id = uuid.uuid4()
    none = beginning_of(run(shell, attaching(reconnect_id), tmp_path), reconnect_id)
    assert none is not None
    assert (none.is_running, none.is_known) == (False, False)


def test_the_login_shell_runs_without_a_command(shell: list[str], tmp_path: Path) -> None:
    """
    An empty command is the user's shell, which here reads no input and ends.
    """
    reconnect_id = uuid.uuid4()
    (tmp_path / ".profile").write_text("echo a login shell\n")
    begun = beginning_of(run(shell, starting(reconnect_id, ""), tmp_path), reconnect_id)
    assert begun is not None
    assert begun.output == b"a login shell\n"


def test_folders_of_processes_that_are_gone_go_after_a_week(
    shell: list[str], tmp_path: Path
) -> None:
    """
    The folder of a terminal that lives stays, however old it is.
    """
    ended, alive = uuid.uuid4(), uuid.uuid4()
    folder = tmp_path / ".local/state/coder-agents/terminals"
    for each, pid in ((ended, 2**22 + 1), (alive, os.getpid())):
        (folder / str(each)).mkdir(parents=True)
        written = folder / str(each) / "pid"
        written.write_text(f"{pid}\n")
        week_ago = time.time() - 8 * 86_400
        os.utime(written, (week_ago, week_ago))
    new = uuid.uuid4()
    run(shell, starting(new, "true"), tmp_path)
    assert {each.name for each in folder.iterdir()} == {str(alive), str(new)}


def test_a_terminal_is_killed_with_its_group(shell: list[str], tmp_path: Path) -> None:
    """
    The process of the terminal and its children end.
    """
    reconnect_id = uuid.uuid4()
    with subprocess.Popen(
        [*shell, "-c", starting(reconnect_id, "trap '' HUP TERM; sleep 100 & wait; wait")],
        env={"HOME": str(tmp_path), "SHELL": "/bin/sh", "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"\x1b"
        run(shell, killing(reconnect_id), tmp_path)
        process.stdout.read()  # until the last of the group has closed it
        assert process.wait() < 0


def test_every_part_of_a_report_is_waited_for() -> None:
    """
    A report may come in any pieces; what does not begin with one is output.
    """
    reconnect_id = uuid.uuid4()
    output = f"\x1b]7717;{reconnect_id};123\x07ready".encode()
    end = output.index(b"\x07")
    for cut in range(end):
        assert beginning_of(output[: cut + 1], reconnect_id) is None or cut >= end
    begun = beginning_of(output, reconnect_id)
    assert begun is not None
    assert begun.output == b"ready"
    for other in (b"$ ", b"\x1b]0;title\x07", b"\x1b]7717;" + b"9" * 200):
        plain = beginning_of(other, reconnect_id)
        assert plain is not None
        assert plain.output == other


def test_a_command_that_is_too_long_is_refused() -> None:
    """
    An agent would lose a part of it.
    """
    reconnect_id = uuid.uuid4()
    longest = MAX_PROGRAM - len(starting(reconnect_id, "x")) + 1
    assert len(starting(reconnect_id, "x" * longest)) == MAX_PROGRAM
    with pytest.raises(ValueError, match="3 bytes too long"):
        starting(reconnect_id, "x" * (longest + 3))
