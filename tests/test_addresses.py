"""
Addresses that people copy in place of a deployment's URL.
"""

from __future__ import annotations

import pytest

from coder_agents import Client, ConfigError

ROOT = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"


@pytest.mark.parametrize("prefix", ["", "/coder", "/a/b"])
@pytest.mark.parametrize(
    "path", ["/api/v2", "/api/v2/", "/api/v2/users/me", "/api/v2/workspaceagents/x/logs"]
)
def test_an_address_of_the_api_is_understood(prefix: str, path: str) -> None:
    """
    The deployment's URL is what comes before ``/api/v2``.
    """
    assert Client(ROOT + prefix + path, TOKEN)._http.settings.url == ROOT + prefix


@pytest.mark.parametrize("prefix", ["", "/coder"])
@pytest.mark.parametrize(
    "path",
    [
        "/workspaces",
        "/workspaces/",
        "/workspaces?filter=owner%3Ame",
        "/templates",
        "/templates/docker/workspace?x=1",
        "/settings/tokens",
        "/settings",
        "/login?redirect=%2F",
        "/cli-auth",
        "/@alice",
        "/deployment",
        "/workspaces#top",
    ],
)
def test_the_address_of_a_page_is_refused_with_the_right_one(prefix: str, path: str) -> None:
    """
    Before any request, with or without a query.
    """
    with pytest.raises(ConfigError) as raised:
        Client(ROOT + prefix + path, TOKEN)
    assert str(raised.value) == (
        f"the deployment's URL is the address of a page of its dashboard: use {ROOT}{prefix}"
    )


@pytest.mark.parametrize("path", ["/@alice/dev", "/@alice/dev/terminal?x=1", "/%40alice/dev/"])
def test_the_address_of_a_workspace_is_refused_with_both_names(path: str) -> None:
    """
    With the right URL and with the name of the workspace.
    """
    with pytest.raises(ConfigError, match=f"use {ROOT}; .* workspace is 'alice/dev'$"):
        Client(ROOT + path, TOKEN)


@pytest.mark.parametrize(
    "path", ["/coder", "/users/coder", "/settings/coder", "/@", "/api", "/api/v1", "/workspaces/x"]
)
def test_any_other_path_is_a_prefix(path: str) -> None:
    """
    A path that is no page of the dashboard is kept.
    """
    assert Client(ROOT + path, TOKEN)._http.settings.url == ROOT + path


def test_a_query_is_refused_with_the_url_before_it() -> None:
    """
    The right URL is in the error.
    """
    with pytest.raises(ConfigError, match=f"use {ROOT}/coder$"):
        Client(f"{ROOT}/coder/api/v2/workspaces?q=x", TOKEN)
