"""
The command: its arguments, what it prints around the walk, and its exit status.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from coder_agents import Agent, Client, CoderError
from coder_agents.demo import walk
from coder_agents.demo.embedded import embedded_agent
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
        with chosen_agent(options.agent, screen) as agent:
            walk.walk(agent, screen, options.seconds)
        read_on(screen)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"{screen.clear}Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Nobody reads on. What is still to be flushed at the exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        return fail(f"{error}: the demo needs pip install 'coder-agents[testing]'")
    except CoderError as error:
        return fail("; ".join(part.strip() for part in str(error).splitlines()))
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """
    Return the options that *arguments* name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m coder_agents.demo",
        description="Watch a workspace agent start, its log and its metadata.",
        epilog="A real deployment is found as Coder's command does: CODER_URL and"
        " CODER_SESSION_TOKEN, or what `coder login` stored.",
    )
    parser.add_argument(
        "agent",
        nargs="?",
        type=reference,
        metavar="AGENT",
        help="[owner/]workspace[.agent] of a real deployment, or a UUID; without it, a small"
        " deployment is made on this machine",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=8.0,
        metavar="N",
        help="how long the metadata is watched (8)",
    )
    return parser.parse_args(arguments)


def reference(text: str) -> str:
    """
    Return *text* where it can name an agent; raise *ArgumentTypeError* where it cannot.
    """
    try:
        parse_reference(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def seconds(text: str) -> float:
    """
    Return *text* as a number of seconds; raise *ValueError* where it is none.
    """
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(text)
    return number


@contextlib.contextmanager
def chosen_agent(ref: str | None, screen: Screen) -> Iterator[Agent]:
    """
    The agent *ref* of a real deployment, or one of this machine's own.
    """
    if ref is not None:
        with Client.from_env() as client:
            agent = client.agent(ref)
            screen.line(f"The agent {escape_controls(agent.data.name)}, {agent.id}")
            yield agent
        return
    if os.environ.get("CODER_URL"):
        screen.line("CODER_URL is set, but no agent is named: see --help.")
    with embedded_agent() as agent:
        screen.line("A small Coder deployment runs on this machine now, and an agent starts in it.")
        screen.line("Scripts, metadata and ports are real; its containers are only examples.")
        yield agent


def read_on(screen: Screen) -> None:
    """
    Say where there is more.
    """
    screen.line(f"How it is written: {walk.__file__}")
    screen.line("Read on: README.md and the pages in docs/, which `make docs` builds.")


def fail(text: str) -> int:
    """
    Say in one line what went wrong, and return the exit status for it.
    """
    print(f"demo: {escape_controls(text)}", file=sys.stderr)
    return 1
