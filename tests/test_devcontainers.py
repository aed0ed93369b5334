"""
Which devcontainer is meant, and what is asked of the deployment then.
"""

from __future__ import annotations

import pickle
import uuid
from typing import Any

import attrs
import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from coder_agents import (
    Agent,
    AmbiguousDevcontainerError,
    Client,
    ConflictError,
    DevcontainerError,
    DevcontainerNotFoundError,
    DevcontainerTimeoutError,
    FindingError,
    NotFoundError,
    UnsupportedError,
)
from coder_agents.devcontainers import Which, resolve_devcontainer
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListContainersResponse,
    to_json,
)

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
AGENT = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
API = f"{URL}/api/v2/workspaceagents/{AGENT}/containers"

FOLDER = "devcontainer.local_folder"
CONFIG = "devcontainer.config_file"


def container(id: str, name: str = "", **labels: str) -> WorkspaceAgentContainer:
    """
    Return a container with labels of a devcontainer's tool: *folder*, *config*.
    """
    marks = {FOLDER: labels.get("folder", ""), CONFIG: labels.get("config", "")}
    marks = {key: value for key, value in marks.items() if value}
    return WorkspaceAgentContainer(id=id, name=name, labels=marks)


def devcontainer(
    number: int,
    name: str,
    of: WorkspaceAgentContainer | None = None,
    *,
    folder: str = "",
    config: str = "",
) -> WorkspaceAgentDevcontainer:
    """
    Return a devcontainer of that id.
    """
    return WorkspaceAgentDevcontainer(
        id=uuid.UUID(int=number),
        name=name,
        container=of,
        workspace_folder=folder,
        config_path=config,
    )


API_CONTAINER = container("c1", "web")
API_ONE = devcontainer(1, "api", API_CONTAINER, folder="/api")
STARTING = devcontainer(2, "docs", folder="/docs", config="/docs/devcontainer.json")
STARTING_CONTAINER = container("c2", "old", folder="/docs", config="/docs/devcontainer.json")
OTHER_CONFIG = container("c3", "other", folder="/docs", config="/docs/other.json")
SHADOW = devcontainer(3, "c1", folder="/shadow")
TWIN = devcontainer(4, "twin", folder="/a")
OTHER_TWIN = devcontainer(5, "twin", folder="/b")
IDLIKE = devcontainer(6, str(uuid.UUID(int=1)), container("web", "third"))
LISTING = WorkspaceAgentListContainersResponse(
    devcontainers=(IDLIKE, API_ONE, STARTING, SHADOW, TWIN, OTHER_TWIN),
    containers=(API_CONTAINER, STARTING_CONTAINER, OTHER_CONFIG, container("c4", "plain")),
)


def listing(*devcontainers: WorkspaceAgentDevcontainer) -> str:
    """
    Return the body that lists them.
    """
    return to_json(WorkspaceAgentListContainersResponse(devcontainers=devcontainers))


@pytest.fixture
def agent() -> Agent:
    """
    An agent that nobody was asked for.
    """
    client = Client(URL, TOKEN, retries=0)
    return Agent(AGENT, client._http, client._stream_options, client._capabilities)


@pytest.mark.parametrize(
    ("which", "meant"),
    [
        (API_ONE, API_ONE),
        (attrs.evolve(API_ONE, name="of old", container=None), API_ONE),
        (uuid.UUID(int=1), API_ONE),
        (str(uuid.UUID(int=1)), API_ONE),
        (uuid.UUID(int=1).hex.upper(), API_ONE),
        ("api", API_ONE),
        ("c1", SHADOW),
        ("web", IDLIKE),
        ("third", IDLIKE),
        ("old", STARTING),
        ("c2", STARTING),
        (API_CONTAINER, API_ONE),
        (STARTING_CONTAINER, STARTING),
        (attrs.evolve(STARTING_CONTAINER, id="gone"), STARTING),
    ],
    ids=str,
)
def test_which_is_meant(which: Which, meant: WorkspaceAgentDevcontainer) -> None:
    """
    An id goes before a name, a devcontainer's before its container's; a container is known by
    its labels too, as while it is made anew nothing else says whose it is.
    """
    assert resolve_devcontainer(LISTING, which, agent_id=AGENT) is meant


@pytest.mark.parametrize(
    "which",
    ["nothing", "plain", "c4", "other", OTHER_CONFIG, uuid.UUID(int=9), devcontainer(9, "api")],
    ids=str,
)
def test_what_is_not_there_is_not_found(which: Which) -> None:
    """
    The error says what there is; a container of no devcontainer, or of another definition in the
    same folder, is none.
    """
    with pytest.raises(DevcontainerNotFoundError, match=r"it lists: .*'api' \(0000") as raised:
        resolve_devcontainer(LISTING, which, agent_id=AGENT)
    error = raised.value
    assert isinstance(error, FindingError)
    assert error.devcontainers == tuple(each.name for each in LISTING.devcontainers)
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_two_of_a_name_are_told_apart_by_their_ids() -> None:
    """
    The error lists them; by its id each can be had.
    """
    text = r"'twin' names several devcontainers: 'twin' \(.*4\), 'twin' \(.*5\)$"
    with pytest.raises(AmbiguousDevcontainerError, match=text) as raised:
        resolve_devcontainer(LISTING, "twin", agent_id=AGENT)
    error = raised.value
    assert isinstance(error, FindingError)
    assert error.devcontainers == (str(TWIN.id), str(OTHER_TWIN.id))
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
    found = resolve_devcontainer(LISTING, str(OTHER_TWIN.id), agent_id=AGENT)
    assert found is OTHER_TWIN


NAMES = st.sampled_from(["a", "b", "c", str(uuid.UUID(int=1)), str(uuid.UUID(int=2))])
MADE = st.none() | st.builds(WorkspaceAgentContainer, id=NAMES, name=NAMES)


@given(
    st.lists(
        st.builds(
            devcontainer, st.integers(1, 4), NAMES, MADE, folder=st.sampled_from(["/x", "/y"])
        ),
        unique_by=lambda each: each.id,
    ),
    NAMES,
)
def test_what_is_found_bears_the_name(there: list[WorkspaceAgentDevcontainer], which: str) -> None:
    """
    It bears the name as the best of what it may mean; where it is not found, none does.
    """
    state = WorkspaceAgentListContainersResponse(devcontainers=tuple(there))

    def ways(each: WorkspaceAgentDevcontainer) -> list[bool]:
        made = each.container or WorkspaceAgentContainer()
        return [str(each.id) == which, each.name == which, made.id == which, made.name == which]

    best = max((ways(each) for each in there), default=[False])
    try:
        found = resolve_devcontainer(state, which, agent_id=AGENT)
    except DevcontainerNotFoundError:
        assert not any(best)
    except AmbiguousDevcontainerError:
        way = best.index(True)
        assert sum(ways(each)[way] for each in there) > 1
    else:
        assert ways(found).index(True) == best.index(True)


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ("", ValueError),
        (WorkspaceAgentContainer(name="web"), ValueError),
        (None, TypeError),
        (7, TypeError),
        (b"api", TypeError),
    ],
)
def test_what_can_name_none_is_refused_before_any_io(
    agent: Agent, which: Any, error: type[Exception]
) -> None:
    """
    Each call that takes one refuses it; nothing is mocked here, so a request would fail otherwise.
    """
    for call in (
        agent.recreate_devcontainer,
        agent.delete_devcontainer,
        agent.wait_devcontainer,
    ):
        with pytest.raises(error, match=r"devcontainer|no id"):
            call(which)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)],
)
def test_a_bad_time_out_is_refused_before_any_io(
    agent: Agent, timeout: Any, error: type[Exception]
) -> None:
    """
    It says what would be right.
    """
    with pytest.raises(error, match="timeout must be"):
        agent.wait_devcontainer("api", timeout=timeout)


@responses.activate
@pytest.mark.parametrize("which", [API_ONE, API_ONE.id, "api", "web", API_CONTAINER], ids=str)
def test_one_is_deleted_by_its_id(agent: Agent, which: Which) -> None:
    """
    The request has the id, however the devcontainer was named.
    """
    responses.get(API, body=listing(API_ONE))
    responses.delete(f"{API}/devcontainers/{API_ONE.id}", status=204)
    agent.delete_devcontainer(which)
    assert responses.calls[-1].request.method == "DELETE"


@responses.activate
def test_what_the_deployment_says_of_a_delete_is_raised(agent: Agent) -> None:
    """
    A conflict, a missing object, a call that it does not have.
    """
    path = f"{API}/devcontainers/{API_ONE.id}"
    responses.delete(path, status=409, json={"message": "Unable to delete it"})
    responses.delete(path, status=404, json={"message": "Devcontainer not found."})
    responses.delete(path, status=404, json={"message": "Route not found."})
    for error in (ConflictError, NotFoundError, UnsupportedError):
        with pytest.raises(error):
            agent.delete_devcontainer(API_ONE)


@responses.activate
def test_a_conflict_of_a_recreation_is_raised(agent: Agent) -> None:
    """
    It is being recreated already.
    """
    responses.post(
        f"{API}/devcontainers/{API_ONE.id}/recreate", status=409, json={"message": "in progress"}
    )
    with pytest.raises(ConflictError):
        agent.recreate_devcontainer(API_ONE)


@responses.activate
def test_the_old_route_is_asked_by_the_container_that_the_labels_tell(agent: Agent) -> None:
    """
    The devcontainer itself has none, as one that has stopped.
    """
    agent._capabilities.recreate_by_devcontainer = False
    responses.get(API, body=to_json(LISTING))
    responses.post(f"{API}/devcontainers/container/c2/recreate", status=202, json={"message": "ok"})
    assert agent.recreate_devcontainer(STARTING).message == "ok"


def test_the_errors_of_a_wait_can_be_pickled() -> None:
    """
    They can be pickled as all errors of this package; the one of time is Python's too.
    """
    failed = DevcontainerError("it failed", devcontainer=API_ONE, error="no space")
    again = pickle.loads(pickle.dumps(failed))
    assert (str(again), again.error, again.devcontainer) == ("it failed", "no space", API_ONE)
    late = pickle.loads(pickle.dumps(DevcontainerTimeoutError("late", devcontainer=API_ONE)))
    assert late.devcontainer == API_ONE
    assert isinstance(late, TimeoutError)
