"""
What CONTRIBUTING promises, and by which functions.
"""

from __future__ import annotations

import importlib
import re

import pytest

from .checkout import CHECKOUT

ROW = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<keepers>(?:`[\w.]+`(?:, )?)+) \|$", re.MULTILINE)


def promises() -> list[tuple[str, str]]:
    """
    Return each promise with a name that keeps it.
    """
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Promises", 1)[1].split("\n## ", 1)[0]
    rows = [row for row in section.splitlines() if row.startswith("| ") and "kept by" not in row]
    found = [(row["promise"], row["keepers"]) for row in ROW.finditer(section)]
    assert len(found) == len(rows), "a row has no names, or they are not written as names"
    return [(promise, name) for promise, names in found for name in re.findall(r"`(.+?)`", names)]


def find(name: str) -> object:
    """
    Return what *name* leads to: a module below the package, and then attributes.
    """
    found: object = importlib.import_module("coder_agents")
    module = "coder_agents"
    for part in name.split("."):
        module = f"{module}.{part}"
        if hasattr(found, "__path__"):
            try:
                found = importlib.import_module(module)
                continue
            except ModuleNotFoundError:
                pass
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("promise", "name"), promises())
def test_what_keeps_a_promise_is_there(promise: str, name: str) -> None:
    """
    Each name of the table leads to a class, a function or a field.
    """
    needed = {"filesystem": "fsspec", "exporter": "prometheus_client"}.get(name.partition(".")[0])
    if needed is not None:
        pytest.importorskip(needed)
    assert find(name) is not None, promise


def test_a_name_that_leads_nowhere_is_noticed() -> None:
    """
    The name may be that of a module or of a method.
    """
    for name in ("streams.nothing", "streams.core.Core.nothing", "nothing"):
        with pytest.raises(AttributeError):
            find(name)


def test_each_kind_of_promise_is_listed() -> None:
    """
    Those of streams, of errors and of settings.
    """
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind in ("a stream", "the errors", "the settings and arguments"):
        assert f"| promise of {kind} | kept by |" in text
    assert len(promises()) > 30
