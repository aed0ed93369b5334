"""
What a deployment would send: log messages, metadata events, an agent.

Everything is the same in each process that makes it, so that all contestants read the
same bytes; and no message comes twice, so that none can do with what it kept.

There are two feeds. In the one times repeat as on the wire: a batch of lines has one, an event of
metadata seven, and lines of one source follow each other. In the other all are *different*, which
is the worst for a decoder with a cache: each line and each item has a time of its own, and each line
another source than the one before.
"""

from __future__ import annotations

import functools
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

LINES = 95
"""
Lines in a log message of 20 KB.
"""

ITEMS = 84
"""
Items in a metadata event of 20 KB.
"""

_BEGIN = datetime(2026, 11, 22, 8, 36, 52, 116_665, UTC)
_SOURCES = [f"3b579bf4-1ed8-4b99-87a8-e9a1e34104{number}0" for number in range(3)]

_OUTPUTS = (
    "Get:{n} http://deb.debian.org/debian bookworm/main amd64 libpython3.11-stdlib amd64 {n} kB",
    "\x1b[32m==>\x1b[0m Installing dependencies of module {n} (this takes a while)",
    "Successfully built wheel-{n}.{n}-py3-none-any.whl; stored in the cache",
    "npm warn deprecated inflight@1.0.{n}: This module is not supported, and leaks memory",
    "  % Total    % Received   Time    Time     Time  Current   {n}   100   {n}",
    "if [ $count -lt {n} ] && [ -d ~/project ]; then echo '<{n}>'; fi # from the script",
    "\x1b[0;1mterraform_data.module[{n}]:\x1b[0m Creation complete after {n}s",
    "Cloning into 'project-{n}'... remote: Enumerating objects: {n}, done.",
    "✓ {n} packages are up to date, nothing to be done for the rest of them",
    "2026/11/22 08:36:52 INFO server started addr=127.0.0.1:{n} version=v4.{n}.0",
)
_LEVELS = ("info", "info", "info", "info", "info", "info", "info", "debug", "warn", "error")


def encoded(value: object) -> str:
    """
    Return the JSON of *value* as Go's encoder writes it.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def moment(seconds: float) -> str:
    """
    Return the time *seconds* after the beginning as Go writes it, to the microsecond.
    """
    text = (_BEGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0") + "Z"


def lines(count: int, *, first: int = 0, different: bool = False) -> Iterator[tuple[int, str]]:
    """
    Yield *count* lines of a log from the *first* one on: the id of each and its JSON.

    Ids ascend and have gaps; a batch of a message's lines has one time unless all are *different*.
    """
    chance = random.Random(f"0/{first}")
    for number in range(first, first + count):
        line_id = 1_000_000 + number * 3 + chance.randrange(3)
        said = {
            "id": line_id,
            "created_at": moment(number * 1.000_317 if different else number // LINES * 0.317),
            "output": chance.choice(_OUTPUTS).format(n=chance.randrange(1, 999)),
            "level": chance.choice(_LEVELS),
            # An agent sends what one script wrote, then what another one did.
            "source_id": _SOURCES[(number if different else number // 32) % len(_SOURCES)],
        }
        yield line_id, encoded(said)


def logs(count: int, *, first: int = 0, different: bool = False) -> bytes:
    """
    Return the JSON list of *count* lines of a log from the *first* one on.
    """
    listed = (text for _, text in lines(count, first=first, different=different))
    return f"[{','.join(listed)}]\n".encode()


def log_messages(count: int, each: int = LINES, *, different: bool = False) -> Iterator[bytes]:
    """
    Yield the first *count* messages of a log, *each* with so many lines: 20 KB by default.
    """
    return (logs(each, first=number * each, different=different) for number in range(count))


def metadata(
    number: int, items: int = ITEMS, *, first_value: str = "", different: bool = False
) -> bytes:
    """
    Return the JSON list of an agent's metadata in its event *number*.

    *first_value* is the first item's value, where it is given.
    """
    chance = random.Random(number)
    listed = [_metadata_item(item, number, chance) for item in range(items)]
    if different:
        for at, item in enumerate(listed):
            item["result"]["collected_at"] = moment(number - at * 0.071_317)
    if first_value:
        listed[0]["result"]["value"] = first_value
    return encoded(listed).encode()


def _metadata_item(
    item: int, number: int, chance: random.Random
) -> dict[str, dict[str, str | int]]:
    load = ".".join(str(chance.randrange(10, 99)) for _ in range(3))
    return {
        "result": {
            "collected_at": moment(number - item % 7),
            "age": number % 50 + item % 7,
            "value": f"{load} 1/{chance.randrange(100, 999)} {chance.randrange(10_000)}\n",
            "error": "" if item % 10 else "run cmd: exit status 1",
        },
        "description": {
            "display_name": f"Load of the machine, {item}",
            "key": f"load_{item}",
            "script": f"cat /proc/loadavg | cut -d' ' -f{item}",
            "interval": 1 + item % 60,
            "timeout": 1,
        },
    }


def event(data: bytes) -> bytes:
    """
    Return the server-sent event of *data*.
    """
    return b"event: data\ndata: " + data + b"\n\n"


def large_event(size: int, number: int) -> bytes:
    """
    Return a server-sent event of about *size* bytes.
    """
    one = len(metadata(number))
    return event(metadata(number, ITEMS * size // one))


def agent(number: int = 0, agent_id: uuid.UUID | None = None) -> bytes:
    """
    Return the JSON of an agent, 5 KB, as it is at its reading *number*; of the id *agent_id*, if
    that matters.
    """
    seen = {"id": str(agent_id)} if agent_id else {}
    seen |= {"updated_at": moment(number), "last_connected_at": moment(number)}
    return encoded({**_agent(), **seen}).encode()


def workspaces(agents: int) -> bytes:
    """
    Return the JSON of a page of workspaces with so many *agents*, all ids and times different.
    """
    listed = []
    for number in range(agents):
        chance = random.Random(number)
        listed.append(
            {
                "id": _new_id(chance),
                "created_at": moment(chance.random() * 1e6),
                "name": f"workspace-{number}",
                "latest_build": {
                    "id": _new_id(chance),
                    "status": "running",
                    "resources": [{"id": _new_id(chance), "agents": [_varied(_agent(), chance)]}],
                },
            }
        )
    return encoded({"workspaces": listed, "count": agents}).encode()


def _varied(value: object, chance: random.Random, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: _varied(inner, chance, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_varied(inner, chance) for inner in value]
    if isinstance(value, str) and name.endswith("_at"):
        return moment(chance.random() * 1e6)
    if isinstance(value, str) and (name == "id" or name.endswith("_id")):
        return _new_id(chance)
    return value


@functools.cache
def _agent() -> dict[str, object]:
    chance = random.Random(0)
    agent_id = _new_id(chance)
    sources = [_log_source(agent_id, number, chance) for number in range(4)]
    return {
        "id": agent_id,
        "parent_id": None,
        "created_at": moment(0),
        "updated_at": moment(0),
        "first_connected_at": moment(1),
        "last_connected_at": moment(1),
        "started_at": moment(2),
        "ready_at": moment(60),
        "status": "connected",
        "lifecycle_state": "ready",
        "name": "dev",
        "resource_id": _new_id(chance),
        "architecture": "amd64",
        "environment_variables": {"GIT_AUTHOR_NAME": "Ada", "EDITOR": "vim", "TZ": "UTC"},
        "operating_system": "linux",
        "logs_length": 88_213,
        "logs_overflowed": False,
        "directory": "/home/coder/project",
        "expanded_directory": "/home/coder/project",
        "version": "v2.31.0",
        "api_version": "2.8",
        "apps": [_app(number, chance) for number in range(4)],
        "latency": {
            f"Region {number}": {"preferred": not number, "latency_ms": 11.437317 * (number + 1)}
            for number in range(4)
        },
        "connection_timeout_seconds": 120,
        "troubleshooting_url": "https://example.com/help",
        "subsystems": ["envbuilder"],
        "health": {"healthy": True},
        "display_apps": ["vscode", "ssh_helper", "web_terminal", "port_forwarding_helper"],
        "log_sources": sources,
        "scripts": [_script(source, chance) for source in sources],
        "startup_script_behavior": "non-blocking",
    }


def _new_id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128)))


def _log_source(agent_id: str, number: int, chance: random.Random) -> dict[str, object]:
    return {
        "workspace_agent_id": agent_id,
        "id": _new_id(chance),
        "created_at": moment(number),
        "display_name": f"Startup script {number}",
        "icon": "/icon/terminal.svg",
    }


def _script(source: dict[str, object], chance: random.Random) -> dict[str, object]:
    return {
        "id": _new_id(chance),
        "log_source_id": source["id"],
        "log_path": "coder-startup-script.log",
        "script": "#!/bin/sh\nset -e\n" + "curl -fsSL https://example.com/install.sh | sh\n" * 3,
        "cron": "",
        "run_on_start": True,
        "run_on_stop": False,
        "start_blocks_login": True,
        "timeout": 300_000_000_000,
        "display_name": source["display_name"],
    }


def _app(number: int, chance: random.Random) -> dict[str, object]:
    return {
        "id": _new_id(chance),
        "url": f"http://localhost:{3000 + number}",
        "external": False,
        "slug": f"app-{number}",
        "display_name": f"Application {number}",
        "icon": "/icon/code.svg",
        "subdomain": True,
        "subdomain_name": f"app-{number}--dev--project--ada",
        "sharing_level": "owner",
        "healthcheck": {"url": "http://localhost:3000/healthz", "interval": 5, "threshold": 6},
        "health": "healthy",
        "hidden": False,
        "open_in": "tab",
        "statuses": [],
    }
