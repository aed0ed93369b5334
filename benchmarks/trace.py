"""
Print the functions of this package that handle one live line, from the socket to the loop.

``python benchmarks/trace.py`` follows a log, waits for a line, and counts the calls that reading
the line takes. It uses the embedded deployment.
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
    The calls of this package's functions in order, and the functions that waited last.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.waiting: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """
        Record a call; for `sys.setprofile`.
        """
        if event == "call" and (function := name_of(frame)):
            self.calls.append(function)
            if function.endswith("Poller.wait"):
                self.waiting = callers_of(frame)


def name_of(frame: FrameType) -> str:
    """
    Return the function of *frame* with its file; empty for a function outside this package.
    """
    code = frame.f_code
    if not code.co_filename.startswith(PACKAGE):
        return ""
    return f"{code.co_filename.removeprefix(PACKAGE).lstrip('/')}: {code.co_qualname}"


def callers_of(frame: FrameType) -> list[str]:
    """
    Return the functions of this package that wait while *frame* runs, the innermost first.
    """
    names, caller = [], frame.f_back
    while caller is not None:
        names.append(name_of(caller))
        caller = caller.f_back
    return [name for name in names if name]


def main() -> None:
    """
    Trace one line.
    """
    trace = Trace()
    with Deployment() as deployment, deployment.client() as client:
        embedded = deployment.add_agent()
        with client.agent(embedded.id).follow_logs() as stream:
            for number in range(3):  # the traced line then imports and compiles nothing
                embedded.push_logs([f"line {number}"])
                next(stream)
                stream.poll(0.1)
            threading.Timer(0.3, embedded.push_logs, (["a live line"],)).start()
            sys.setprofile(trace)
            next(stream)
            sys.setprofile(None)
    # Calls before the wait belong to the line before.
    waited = max(at for at, call in enumerate(trace.calls) if call.endswith("Poller.wait"))
    calls = trace.calls[waited + 1 :]
    functions = list(dict.fromkeys(calls))
    for function in functions:
        print(f"{calls.count(function)} x {function}")
    # The waiting function is called again before the step; its callers are only returned to.
    back = [name for name in trace.waiting if not name.endswith("._wait")]
    for function in back:
        print(f"return  {function}")
    print(f"{len(functions)} functions in {len(calls)} calls, {len(back)} more to return through")


if __name__ == "__main__":
    main()
