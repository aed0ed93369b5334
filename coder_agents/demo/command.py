"""
The command of the demo: its arguments, its first and last lines, and its exit status.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from coder_agents import Agent, Client, CoderError
from coder_agents.demo import walk
from coder_agents.demo.embedded import COMMAND, embedded_agent
from coder_agents.demo.screen import Screen
from coder_agents.references import parse_reference
from coder_agents.render import escape_controls


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo and return its exit status.
    """
    options = parse(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    screen = Screen.of(sys.stdout)
    try:
        show(screen, options.agent, options.seconds)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"{screen.clear}Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has gone. Output that is flushed at the exit is discarded.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, CoderError) as error:
        return fail("; ".join(part.strip() for part in str(error).splitlines()))
    return 0


def show(
    screen: Screen,
    ref: str | None,
    seconds: float,
    *,
    new_client: Callable[[], Client] = Client.from_env,
) -> None:
    """
    Show the agent *ref* of a client that *new_client* returns, or for None an agent on this machine.

    The metadata is watched for *seconds*. Raises *CoderError*; *ImportError* where the embedded deployment needs
    an extra that is missing.
    """
    with selected_agent(ref, screen, new_client) as agent:
        # A real agent is only watched.
        walk.walk(agent, screen, seconds, command=COMMAND if ref is None else None)
    show_further_reading(screen)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """
    Return the options that *arguments* name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m coder_agents.demo",
        description="Watch a workspace agent start, its log and its metadata.",
        epilog="A real deployment is found as Coder's command does: CODER_URL and"
        " CODER_SESSION_TOKEN, or the files of `coder login`.",
    )
    parser.add_argument(
        "agent",
        nargs="?",
        type=reference,
        metavar="AGENT",
        help="[owner/]workspace[.agent] of a real deployment, or a UUID; without it, a small"
        " deployment is started on this machine",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=8.0,
        metavar="N",
        help="how many seconds the metadata is watched (8)",
    )
    return parser.parse_args(arguments)


def reference(text: str) -> str:
    """
    Return *text*, the name or the UUID of an agent.

    Raises *ArgumentTypeError* where *text* is neither.
    """
    try:
        parse_reference(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def seconds(text: str) -> float:
    """
    Return *text* as a number of seconds.

    Raises *ValueError* where *text* is no number of 0 or more.
    """
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(text)
    return number


@contextlib.contextmanager
def selected_agent(
    ref: str | None, screen: Screen, new_client: Callable[[], Client]
) -> Iterator[Agent]:
    """
    Yield the agent *ref* of a real deployment; for None, an agent of a deployment on this machine.
    """
    if ref is not None:
        with new_client() as client:
            agent = client.agent(ref)
            screen.line(f"The agent {escape_controls(agent.data.name)}, {agent.id}")
            yield agent
        return
    if os.environ.get("CODER_URL"):
        screen.line("CODER_URL is set, but no agent is named: see --help.")
    with embedded_agent() as agent:
        screen.line("A small Coder deployment runs on this machine now, and an agent starts in it.")
        screen.line("Scripts, metadata and ports are real; the containers are only examples.")
        yield agent


def show_further_reading(screen: Screen) -> None:
    """
    Show the demo's source file and the documentation.
    """
    screen.line(f"The source of this demo: {walk.__file__}")
    screen.line("More: README.md and the pages in docs/, which `make docs` builds.")


def fail(text: str) -> int:
    """
    Print the error *text* in one line, and return the exit status of a failure.
    """
    print(f"demo: {escape_controls(text)}", file=sys.stderr)
    return 1
