from __future__ import annotations

import pytest

from coder_agents.schema import reading


@pytest.fixture(params=["json", "msgspec"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """
    How JSON is read: as where msgspec is not installed, and as where it is.
    """
    if request.param == "json":
        monkeypatch.setattr(reading, "_with_msgspec", lambda: None)
    return str(request.param)
