"""
A pytest fixture, asked for in a ``conftest.py``::

    pytest_plugins = ["coder_agents.testing.fixtures"]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from coder_agents.testing import Deployment


@pytest.fixture
def coder_deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    An embedded Coder deployment for one test.

    What it is made with can be chosen by indirect parameters::

        @pytest.mark.parametrize("coder_deployment", [{"release": "2.24"}], indirect=True)
    """
    # Not at the top: a run that never asks for the fixture does not pay for it.
    from coder_agents.testing.deployment import Deployment

    with Deployment(**getattr(request, "param", {})) as deployment:
        yield deployment
