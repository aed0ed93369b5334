"""
A pytest fixture, enabled in a ``conftest.py``::

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

    Indirect parameters set the options of the deployment::

        @pytest.mark.parametrize("coder_deployment", [{"release": "2.24"}], indirect=True)
    """
    # Not at the top: a run without the fixture does not pay for the import.
    from coder_agents.testing.deployment import Deployment

    with Deployment(**getattr(request, "param", {})) as deployment:
        yield deployment
