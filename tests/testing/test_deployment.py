"""
Starting and stopping a deployment, plain and under TLS.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from driving import reached

from coder_agents.testing import Deployment


def test_closing_says_goodbye(calls: Any) -> None:
    """
    WebSockets are closed with 1000, event streams end their body; twice is once.
    """
    deployment = Deployment()  # whose pings come later than that
    call, agent = calls(deployment), deployment.add_agent()
    sockets = [
        call.websocket(f"/workspaceagents/{agent.id}/{path}")
        for path in ("logs?follow", "watch-metadata-ws", "containers/watch")
    ]
    for each in sockets:
        each.recv()
    events = call.events(f"/workspaceagents/{agent.id}/watch-metadata")
    next(events)
    deployment.close()
    for each in sockets:
        frame = each.recv_frame()
        assert frame.opcode == 8
        assert frame.data[:2] == (1000).to_bytes(2)
    assert all(event.startswith(b"event: ") for event in events)
    deployment.close()
    with pytest.raises(requests.ConnectionError):
        call.get("/buildinfo")


def test_closing_ends_idle_connections(deployment: Deployment, call: Any) -> None:
    """
    One that waits for its next request, and one that never sent a whole one.
    """
    idle, half = call.socket("/buildinfo"), call.socket("/buildinfo")
    idle.recv(65_536)
    half.recv(65_536)
    half.sendall(b"GET / HT")
    deployment.close()
    assert half.recv(1) == b""
    assert idle.recv(1) == b""


def test_closing_ends_a_send_that_is_blocked(deployment: Deployment, call: Any) -> None:
    """
    A peer that does not read cannot keep the deployment from closing.
    """
    agent = deployment.add_agent()
    agent.push_logs(["x" * 1_000] * 1_000)
    stuck = [call.socket(f"/workspaceagents/{agent.id}/logs") for _ in range(2)]
    fault = deployment.faults.add("oversize", route="logs", size=20_000_000, times=None)
    stuck += [call.socket(f"/workspaceagents/{agent.id}/logs") for _ in range(2)]
    assert fault.wait_struck(2)
    deployment.close()
    # A thread that is no longer counted may still be ending.
    reached(lambda: not [e for e in threading.enumerate() if e.name.startswith("deployment")])


def test_a_deployment_that_nobody_closes_ends_with_the_interpreter(tmp_path: Path) -> None:
    """
    The interpreter ends, quietly, and the scripts with it.
    """
    file = tmp_path / "pid"
    program = (
        "import sys, time, pathlib\n"
        "from coder_agents.testing import Deployment\n"
        f"file = pathlib.Path({str(file)!r})\n"
        "agent = Deployment().add_agent(scripts=[f'echo $$ > {file}; exec sleep 600'])\n"
        "while not (file.exists() and file.read_text().endswith('\\n')): time.sleep(0.01)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, timeout=120, check=True
    )
    assert done.stderr == b""
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_importing_the_package_does_not_import_this() -> None:
    """
    Nobody pays for the embedded deployment who does not use it.
    """
    program = (
        "import sys, coder_agents, coder_agents.testing.fixtures\n"
        "assert 'coder_agents.testing.deployment' not in sys.modules\n"
        "assert not {'wsproto', 'cryptography'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=120, check=True)


def test_every_name_that_needs_the_extra_names_it() -> None:
    """
    Without the libraries of a server, the import of a name works, or the error names the extra.
    """
    program = (
        "import sys\n"
        "sys.modules['wsproto'] = None\n"
        "import coder_agents.testing as package\n"
        "for name in package.__all__:\n"
        "    try:\n"
        "        getattr(package, name)\n"
        "    except ImportError as error:\n"
        "        print(name, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert "Deployment" in {line.partition(" ")[0] for line in lines}
    for line in lines:
        assert line.endswith(
            " coder_agents.testing needs wsproto: pip install 'coder-agents[testing]'"
        )


def test_tls_with_a_certificate_of_its_own() -> None:
    """
    The file of the authority is enough to trust it, and goes away with it.
    """
    with Deployment(tls=True) as deployment:
        assert deployment.url.startswith("https://127.0.0.1:")
        assert deployment.ca_file is not None
        answer = requests.get(
            f"{deployment.url}/api/v2/buildinfo", verify=str(deployment.ca_file), timeout=60
        )
        assert answer.status_code == 200
        (key,) = deployment.ca_file.parent.glob("server.pem")
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        del answer
    assert not deployment.ca_file.exists()


def test_tls_without_the_package_that_makes_certificates(monkeypatch: Any) -> None:
    """
    The error says what is missing, and what does without it.
    """
    monkeypatch.delitem(sys.modules, "coder_agents.testing.certificates", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ImportError, match=r"cryptography.*\[testing\].*context of your own"):
        Deployment(tls=True)


def test_tls_is_strict() -> None:
    """
    The certificate satisfies the strictest rules, for both names, and no others.
    """
    with Deployment(tls=True) as deployment:
        context = ssl.create_default_context(cafile=str(deployment.ca_file))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        port = int(deployment.url.rpartition(":")[2])
        for name in ("127.0.0.1", "localhost"):
            with (
                socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
                context.wrap_socket(plain, server_hostname=name) as secured,
            ):
                assert secured.version() is not None
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(plain, server_hostname="example.com")


def test_tls_with_a_context_of_the_caller(calls: Any, monkeypatch: Any) -> None:
    """
    Streams work through it, and there is no file of an authority.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with Deployment(tls=context, ping_interval=0.05) as deployment:
        assert deployment.ca_file is None
        agent = deployment.add_agent()
        stream = calls(deployment).websocket(
            f"/workspaceagents/{agent.id}/logs?follow", sslopt={"context": trusted}
        )
        assert stream.recv() == "[]\n"
        # Both frames come in one TLS record, so that one waits inside of TLS.
        stream.sock.sendall(
            b"\x89\x81\0\0\0\0a" + b"".join(b"\x89\x81\0\0\0\0b" for _ in range(20_000))
        )
        answers = [stream.recv_data(control_frame=True) for _ in range(3)]
        assert (10, b"a") in answers


def test_a_peer_that_never_finishes_its_handshake() -> None:
    """
    It delays nobody else, nor the close.
    """
    with Deployment(tls=True) as deployment:
        port = int(deployment.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
            answer = requests.get(
                f"{deployment.url}/api/v2/buildinfo", verify=str(deployment.ca_file), timeout=60
            )
            assert answer.status_code == 200
            del answer
            deployment.close()
            assert silent.recv(1) == b""


def test_unknown_releases() -> None:
    """
    The error names those that can be played.
    """
    with pytest.raises(
        ValueError, match=r"release must be one of 2\.24, 2\.31, 2\.35, not '2\.30'"
    ):
        Deployment(release="2.30")


def test_what_it_is_called() -> None:
    """
    Its repr tells release and URL, and no token.
    """
    with Deployment() as deployment:
        assert repr(deployment) == f"<Deployment 2.31 at {deployment.url}>"


@pytest.mark.parametrize("tls", [False, True])
def test_its_client(tls: bool) -> None:
    """
    A client of it needs no more settings, under TLS neither.
    """
    with Deployment(tls=tls) as deployment, deployment.client() as client:
        assert client.build_info().version == "v2.31.0"


def test_the_fixture(coder_deployment: Deployment) -> None:
    """
    It is a deployment that runs.
    """
    assert requests.get(f"{coder_deployment.url}/", timeout=60).status_code == 200


def test_many_followers_come_and_go(deployment: Deployment, call: Any) -> None:
    """
    Fifty streams at once each get what is written while they are there.
    """
    agent = deployment.add_agent()
    streams = [call.websocket(f"/workspaceagents/{agent.id}/logs?follow") for _ in range(50)]
    for stream in streams:
        stream.recv()
    agent.push_logs(["for all"])
    assert all("for all" in stream.recv() for stream in streams)
    for stream in streams[:25]:
        stream.shutdown()
    agent.push_logs(["for the rest"])
    assert all("for the rest" in stream.recv() for stream in streams[25:])
