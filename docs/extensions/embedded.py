"""
The deployment that the examples of these pages and of the README talk to.

`start` makes one on loopback and sets the environment, the folder and the
arguments that a user's script would find; `stop` takes all of it away again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from unittest import mock

from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentListeningPort
from coder_agents.testing import Deployment

GONE = '{"message": "Agent doesn\'t exist with that id, or you do not have access to it."}'

_undo = contextlib.ExitStack()


def start() -> tuple[Deployment, str]:
    """
    Return a running deployment and the id of an agent in it that has started.
    """
    stop()
    deployment = _undo.enter_context(Deployment())
    agent = deployment.add_agent()
    agent.push_logs(["Installing dependencies", "Ready to work"])
    agent.set_metadata("load", "0.42")
    port = WorkspaceAgentListeningPort(process_name="python", network="tcp", port=8000)
    agent.set_ports([port])
    web = WorkspaceAgentContainer(name="web", status="running", labels={"team": "web"})
    agent.set_containers([web])
    _let_logs_end(deployment)
    home = _undo.enter_context(tempfile.TemporaryDirectory())
    _undo.enter_context(contextlib.chdir(home))
    _undo.enter_context(mock.patch.object(sys, "argv", ["script.py", "dev"]))
    settings = {
        "CODER_URL": deployment.url,
        "CODER_SESSION_TOKEN": deployment.token,
        "CODER_CONFIG_DIR": home,
    }
    _undo.enter_context(mock.patch.dict(os.environ, settings))
    return deployment, str(agent.id)


def _let_logs_end(deployment: Deployment) -> None:
    """
    End each log that is followed, after what is there, as if the agent were deleted.
    """
    json = {"Content-Type": "application/json"}
    for _ in range(3):
        deployment.faults.add("close", route="logs_follow", after=1)
        deployment.faults.add("refuse", route="logs_follow", status=404, headers=json, body=GONE)


def stop() -> None:
    """
    Close the deployment and put everything back.
    """
    _undo.close()
