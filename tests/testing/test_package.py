"""
What the package offers.
"""

from __future__ import annotations

import pytest

import coder_agents.testing as package


@pytest.mark.parametrize("name", package.__all__)
def test_what_is_offered_is_there(name: str) -> None:
    """
    Each public name leads to a class of that name.
    """
    assert getattr(package, name).__name__ == name


def test_what_is_not_offered_is_not_there() -> None:
    """
    Any other name is an AttributeError, as of every module.
    """
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        package.Nothing  # noqa: B018
