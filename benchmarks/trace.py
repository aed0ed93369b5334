"""
Print the functions of this package that one live line passes, from the socket to the loop.

``python benchmarks/trace.py`` follows a log, waits until a line is on its way, and counts the calls
that reading it takes. The deployment is the embedded one.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType

import coder_agents
from coder_agents.testing import Deployment

PACKAGE = str(Path(coder_agents.__file__).parent)


class Trace:
    """
    The calls of this package's functions, in the order in which they came.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """
        Note a call; for `sys.setprofile`.
        """
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            place = code.co_filename.removeprefix(PACKAGE).lstrip("/")
            self.calls.append(f"{place}: {code.co_qualname}")


def main() -> None:
    """
    Trace one line.
    """
    trace = Trace()
    with Deployment() as deployment, deployment.client() as client:
        embedded = deployment.add_agent()
        with client.agent(embedded.id).follow_logs() as stream:
            for number in range(3):  # so that nothing is imported or compiled in the traced one
                embedded.push_logs([f"line {number}"])
                next(stream)
                stream.poll(0.1)
            threading.Timer(0.3, embedded.push_logs, (["a live line"],)).start()
            sys.setprofile(trace)
            next(stream)
            sys.setprofile(None)
    # What comes before the wait belongs to the line before.
    waited = max(at for at, call in enumerate(trace.calls) if call.endswith("Poller.wait"))
    calls = trace.calls[waited + 1 :]
    functions = list(dict.fromkeys(calls))
    for function in functions:
        print(f"{calls.count(function)} x {function}")
    print(f"{len(functions)} functions, {len(calls)} calls")


if __name__ == "__main__":
    main()
