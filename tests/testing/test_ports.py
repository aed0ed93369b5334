"""
Finding the ports of this machine.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from coder_agents.schema import WorkspaceAgentListeningPort
from coder_agents.testing import Deployment
from coder_agents.testing.ports import read_listening_ports


def test_a_listening_socket_of_ours_is_found() -> None:
    """
    A port is found while something listens on it, with the name of this process.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = {each.port: each for each in read_listening_ports()}
        assert found[port].network == "tcp"
        assert found[port].process_name == Path("/proc/self/comm").read_text().strip()
    assert port not in {each.port for each in read_listening_ports()}


def test_tables_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    """
    Only what listens counts, once for both families, and no very low port.
    """
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n"
    row = "   0: 0100007F:{port:04X} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1 0\n"
    (tmp_path / "net" / "tcp").write_text(
        head
        + row.format(port=8_000, state="0A", inode=11)
        + row.format(port=7, state="0A", inode=12)
        + row.format(port=9_000, state="01", inode=13)
    )
    (tmp_path / "net" / "tcp6").write_text(head + row.format(port=3_000, state="0A", inode=14))
    descriptors = tmp_path / "42" / "fd"
    descriptors.mkdir(parents=True)
    (descriptors / "0").symlink_to("/dev/null")
    (descriptors / "1").symlink_to("socket:[14]")
    (tmp_path / "42" / "comm").write_text("node\n")
    (tmp_path / "43").mkdir()
    assert read_listening_ports(tmp_path) == [
        WorkspaceAgentListeningPort(process_name="node", network="tcp", port=3_000),
        WorkspaceAgentListeningPort(process_name="", network="tcp", port=8_000),
    ]


def test_a_system_without_tables_has_no_ports(tmp_path: Path) -> None:
    """
    Where detection is not possible the list is empty.
    """
    assert read_listening_ports(tmp_path) == []


def test_the_call_tells_ports(deployment: Deployment, call: Any) -> None:
    """
    Those of the machine, the deployment's own among them, until others are set.
    """
    agent = deployment.add_agent()
    own = int(deployment.url.rpartition(":")[2])
    path = f"/workspaceagents/{agent.id}/listening-ports"
    assert own in {port["port"] for port in call.get(path).json()["ports"]}
    agent.set_ports([WorkspaceAgentListeningPort(process_name="x", network="tcp", port=80)])
    assert call.get(path).json() == {"ports": [{"process_name": "x", "network": "tcp", "port": 80}]}
    agent.set_ports([])
    assert call.get(path).json() == {"ports": []}


def test_ports_open_and_close(deployment: Deployment, call: Any) -> None:
    """
    One after the other, by number, and none of this machine among them.
    """
    agent = deployment.add_agent()
    path = f"/workspaceagents/{agent.id}/listening-ports"
    agent.open_port(8080, "node")
    agent.open_port(80)
    agent.open_port(8080, "java")
    found = [(port["port"], port["process_name"]) for port in call.get(path).json()["ports"]]
    assert found == [(80, ""), (8080, "java")]
    agent.close_port(80)
    with pytest.raises(ValueError, match="port 80 is not open"):
        agent.close_port(80)
    agent.close_port(8080)
    assert call.get(path).json() == {"ports": []}
    with pytest.raises(ValueError, match="port 1 is not open"):
        deployment.add_agent("other").close_port(1)
