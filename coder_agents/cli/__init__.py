"""
The command ``coder-agents``: what the client can do, for a shell.

Needs click and rich: ``pip install 'coder-agents[cli]'``. Nothing else is imported for ``--help``: each
command is a module that is imported when the command runs.
"""

from __future__ import annotations

import importlib.util
import signal
import sys

from coder_agents.lazy import listing

__all__ = ["main"]

__dir__ = listing(__name__)

_REQUIRED = ("click", "rich")


def main() -> None:
    """
    Run the command line of this process, and end the process.

    ``coder_agents.cli.exits`` lists the exit codes.
    """
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        advice = "pip install 'coder-agents[cli]'"
        print(f"coder-agents: the command line needs {names}: {advice}", file=sys.stderr)
        sys.exit(1)
    _let_ctrl_c_end_imports()
    from coder_agents.cli.program import main as program

    program(sys.argv[1:])


def _let_ctrl_c_end_imports() -> None:
    """
    Let Ctrl-C end the process at once while modules are imported: no traceback would help there.

    The program itself gets an exception again, so that it can end in order.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
