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

from coder_agents.testing import Deployment

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
    agent.new_build()
    home = _undo.enter_context(tempfile.TemporaryDirectory())
    _undo.enter_context(contextlib.chdir(home))
    _undo.enter_context(mock.patch.object(sys, "argv", ["script.py", str(agent.id)]))
    settings = {
        "CODER_URL": deployment.url,
        "CODER_SESSION_TOKEN": deployment.token,
        "CODER_CONFIG_DIR": home,
    }
    _undo.enter_context(mock.patch.dict(os.environ, settings))
    return deployment, str(agent.id)


def stop() -> None:
    """
    Close the deployment and put everything back.
    """
    _undo.close()
