"""
What all tests share: recordings of real deployments, and an authority for TLS.

The recordings are not part of the project: the folder is what the environment variable
`CODER_AGENTS_RECORDINGS` names, by default ``shared/wire`` beside the checkout, with
one folder for each release in it. Tests that need them skip where it is absent.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
from effort import times
from hypothesis import HealthCheck, settings
from measuring import pytest_collection, pytest_configure, pytest_runtest_protocol
from restoring import shared_state_as_before, signals_as_on_a_terminal
from saving import pytest_sessionstart

__all__ = [
    "pytest_collection",
    "pytest_configure",
    "pytest_runtest_protocol",
    "pytest_sessionstart",
    "shared_state_as_before",
    "signals_as_on_a_terminal",
]

VARIABLE = "CODER_AGENTS_RECORDINGS"
RELEASES = ("2.24", "2.31")

Recording = dict[str, Any]

# A slow machine is no failure: no example has a deadline, and making them may take its time.
settings.register_profile(
    "suite",
    max_examples=times(15, 100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


def recordings_folder() -> Path:
    """
    The folder of recordings, which may be absent.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "wire"
    return Path(os.environ.get(VARIABLE) or beside)


@cache
def read_recording(path: Path) -> str:
    """
    The text of a recording; each test makes its own objects of it.
    """
    return path.read_text(encoding="utf-8")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """
    Each release of which there are recordings, in turn: ``"2.24"``, ``"2.31"``.
    """
    return str(request.param)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """
    The folder of recordings; skips the test where it is absent.
    """
    folder = recordings_folder()
    if not folder.is_dir():
        pytest.skip(f"no recordings: set {VARIABLE} to their folder")
    return folder


@pytest.fixture(scope="session")
def recording(recordings: Path) -> Callable[[str, str], Recording]:
    """
    A function of a release (``"2.31"`` or ``"v2.31"``) and a name (``"logs"``).

    It returns that recording, a fresh object each time.
    """

    def find(release: str, name: str) -> Recording:
        folder = recordings / f"v{release.removeprefix('v')}"
        text = read_recording(folder / f"{name.removesuffix('.json')}.json")
        found: Recording = json.loads(text)
        return found

    return find


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """
    A certificate authority of the tests' own.
    """
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Its certificate, as a file for ``verify=``.
    """
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """
    A server's context with a certificate for 127.0.0.1.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def ctrl_c() -> Iterator[None]:
    """
    Let Ctrl-C be what it is on a terminal: a job in the background inherits that it is ignored.
    """
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)


@pytest.fixture
def ctrl_c_counts(ctrl_c: None) -> Iterator[None]:
    """
    Let no Ctrl-C be lost: Python swallows one that comes while garbage collection calls back.

    Earlier tests leave threads for it to collect, each of which calls back.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()
