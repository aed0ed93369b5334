"""
What errors advise to do in a program.

These parts of messages name arguments and methods of Python. They are listed here, and not only where the
errors are raised, so that the command line can put its own options and commands in their place.
"""

from __future__ import annotations

from enum import StrEnum


class Advice(StrEnum):
    """
    A part of a message that is for Python alone.

    The command line has other words for each member; a test compares both lists.
    """

    START = "pass start=True to client.wait_ready, or run: coder start"
    NO_ARGUMENT = "no argument was given"
    TOKEN = "pass the token as token="
    HEADERS = "pass the header that it accepts from programs with headers="
    AUTHORITY = "with verify= or in the environment variable"
    CERTIFICATE = "with cert= or in"
    PROXY = "in proxies= or in the environment variable of the proxy"
    PROXY_URL = "from proxies= or an environment variable"
    PROXY_OF_SESSION = "such as HTTPS_PROXY or on the session"
    HEADERS_OF_SESSION = "a header of the session or the settings"
    VERIFY_FILE = "verify names a file"
    CERT_FILE = "cert names a file"
    FORMAT = "pass format="
    BY_NAME = "find it by name, as client.agent('workspace.agent') does"
    ACROSS_BUILDS = "across_builds needs"
    END_JOB = "kill() it, or wait() until it has ended"
    WITHOUT_WEBSOCKET = (
        "agent.logs(), agent.metadata(), agent.watch_metadata(), agent.containers() and"
        " agent.listening_ports()"
    )
    METADATA = "agent.metadata()"
    WATCH_METADATA = "agent.watch_metadata()"
    WATCH_CONTAINERS = "agent.watch_containers()"
