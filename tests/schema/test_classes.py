from __future__ import annotations

import copy
import inspect
import pickle
from datetime import UTC, datetime

import attrs
import pytest

from coder_agents import schema
from coder_agents.schema import (
    NIL_UUID,
    DERPRegion,
    IssueReconnectingPTYSignedTokenResponse,
    Number,
    WorkspaceAgent,
    WorkspaceAgentContainer,
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataDescription,
    WorkspaceAgentMetadataResult,
    WorkspaceApp,
    WorkspaceBuild,
    WorkspaceResource,
)
from coder_agents.schema.shapes import resolved_fields

# Nothing here reads JSON: one way to read it is enough.
pytestmark = pytest.mark.parametrize("way", ["json"], indirect=True)

CLASSES = [cls for name in schema.__all__ if attrs.has(cls := getattr(schema, name))]
# What is no type of the API, but made of its values.
MADE = {Number}


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls not in MADE])
def test_every_class_is_frozen_slotted_and_whole_without_arguments(cls: type) -> None:
    """
    A class without arguments is all zero values; it takes no others later, and no positional ones.
    """
    made = cls()

    assert not hasattr(made, "__dict__")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(made, attrs.fields(cls)[0].name, "other")
    with pytest.raises(TypeError):
        cls("positional")
    for field in resolved_fields(cls):
        assert (
            not getattr(made, field.name)
            or attrs.has(field.type or object)
            or field.type is type(NIL_UUID)
        ), f"{field.name} is not zero"


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_documents_itself_and_its_fields(cls: type) -> None:
    """
    A docstring that says what it is and, if there are several fields, names each.
    """
    fields = [field.name for field in attrs.fields(cls)]
    said, _, described = (inspect.getdoc(cls) or "").partition("Attributes:")

    assert said
    assert not described or [name for name in fields if f"\n    {name}: " not in described] == []
    assert described or len(fields) <= 2


@pytest.mark.parametrize("cls", CLASSES)
def test_equal_objects_have_equal_hashes_and_survive_pickling(cls: type) -> None:
    """
    Objects can be members of sets, copied, and sent to another process.
    """
    made = cls()

    assert {made, cls()} == {made}
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made


def test_maps_count_for_equality_and_not_for_the_hash() -> None:
    """
    Agents that differ in a map are different, and still hash.
    """
    one = WorkspaceAgent(name="main", latency={"here": DERPRegion(latency_ms=1.5)})
    other = WorkspaceAgent(name="main", latency={"here": DERPRegion(latency_ms=2.5)})

    assert one != other
    assert hash(one) == hash(other)
    assert len({one, other}) == 2


def test_objects_do_not_share_their_maps() -> None:
    """
    The empty map of one object is not that of the next.
    """
    assert WorkspaceAgent().environment_variables is not WorkspaceAgent().environment_variables


def test_a_signed_token_is_not_shown() -> None:
    """
    It opens a terminal, so it stays out of reprs and so of logs.
    """
    assert "secret" not in repr(IssueReconnectingPTYSignedTokenResponse(signed_token="secret"))


def test_a_container_matches_its_id_and_its_name() -> None:
    """
    In full, and nothing else.
    """
    container = WorkspaceAgentContainer(id="ab12cd", name="dev_ctr")

    assert container.match("ab12cd")
    assert container.match("dev_ctr")
    assert not container.match("ab12")
    assert not container.match("DEV_CTR")
    assert not container.match("")


@pytest.mark.parametrize(
    ("interval", "timeout", "age", "stale"),
    [
        (0, 1, None, False),
        (1, 1, 5, False),
        (1, 1, 6, True),
        (10, 3, 16, False),
        (10, 3, 17, True),
        (10, 3, None, True),
    ],
)
def test_metadata_is_stale_past_an_interval_and_two_time_outs(
    interval: int, timeout: int, age: int | None, stale: bool
) -> None:
    """
    It is never stale within five seconds, and never if it is collected but once.
    """
    item = WorkspaceAgentMetadata(
        result=WorkspaceAgentMetadataResult(age=age),
        description=WorkspaceAgentMetadataDescription(interval=interval, timeout=timeout),
    )

    assert item.stale is stale


@pytest.mark.parametrize(
    ("collected_at", "pending"), [(None, True), (datetime(2026, 1, 1, tzinfo=UTC), False)]
)
def test_metadata_is_pending_until_it_was_collected_once(
    collected_at: datetime | None, pending: bool
) -> None:
    """
    The deployment's zero time is None here.
    """
    result = WorkspaceAgentMetadataResult(collected_at=collected_at)

    assert WorkspaceAgentMetadata(result=result).pending is pending


def test_metadata_of_a_run_that_went_wrong_is_no_number() -> None:
    """
    What a script printed before it failed is not what it is to tell.
    """
    good = WorkspaceAgentMetadataResult(value="28%\n")
    bad = attrs.evolve(good, error="run cmd: exit status 1")

    assert WorkspaceAgentMetadata(result=good).number == Number(28, unit="%")
    assert WorkspaceAgentMetadata(result=bad).number is None


def test_nested_classes_are_whole_by_default() -> None:
    """
    What is an object on the wire is an object here, never None.
    """
    assert WorkspaceApp().healthcheck.interval == 0
    assert schema.Workspace().latest_build.job.status == ""


def test_agents_of_a_build_are_those_of_all_its_resources() -> None:
    """
    They are in the order of the resources.
    """
    first, second = WorkspaceAgent(name="first"), WorkspaceAgent(name="second")
    resources = (WorkspaceResource(agents=(first,)), WorkspaceResource(agents=(second,)))

    assert WorkspaceBuild(resources=resources).agents == (first, second)
