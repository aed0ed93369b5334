"""
What every object that the client returns shows of itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from characters import is_safe_line
from markup import checked
from samples import TOKEN, agent_of, samples

import coder_agents
from coder_agents import (
    ByAgent,
    Client,
    CompletedCommand,
    FindingError,
    PortOpened,
    ResultList,
    Results,
    StreamEnd,
    schema,
    streams,
)
from coder_agents.representation import Represented
from coder_agents.representation.cells import level, output, problem, status
from coder_agents.schema import (
    NIL_UUID,
    AgentScriptTiming,
    LogLevel,
    Number,
    ProvisionerJob,
    ProvisionerJobLog,
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentHealth,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataDescription,
    WorkspaceAgentMetadataResult,
    WorkspaceAgentScript,
    WorkspaceBuild,
    WorkspaceBuildTimings,
    WorkspaceResource,
    WorkspacesResponse,
    shapes,
)

AT = datetime(2026, 11, 22, 8, 36, 52, tzinfo=UTC)
CLASSES = [cls for name in schema.__all__ if attrs.has(cls := getattr(schema, name))]
HOSTILE = [
    "<script>alert(1)</script><!-- ' \" --> &lt; ]]> <?php ?>",
    "\x1b[2J\x1b]0;title\x07\x9b31m\r\n\u2028 \x1b[31mred\x1b[0m \x1b[8mhidden",
    "\u202e\u2066\u200f\u061c right to left, שלום",
    "\ud800 half a pair, \x00 nothing",
    '=HYPERLINK("http://example.com")',
    "👩‍💻 e\u0301" + "\u0301" * 50,
    "x" * 100_000,
]


def of_type(kind: Any, text: str, *, whole: bool = True) -> Any:
    """
    Return a value of the type *kind* that has *text* wherever it has a text.

    Unless it is *whole*, everything that may be missing is None.
    """
    if shapes.is_class(kind):
        fields = shapes.resolved_fields(kind)
        return kind(**{field.name: of_type(field.type, text, whole=whole) for field in fields})
    if kind is str or shapes.is_enumeration(kind):
        return kind(text)
    if (inner := shapes.optional_of(kind)) is not None:
        return of_type(inner, text) if whole else None
    if (item := shapes.tuple_item(kind)) is not None:
        return (of_type(item, text, whole=whole),) * 30
    if (item := shapes.map_value(kind)) is not None:
        return {text: of_type(item, text, whole=whole)}
    plain = {
        datetime: datetime.max.replace(tzinfo=UTC),
        timedelta: timedelta.max,
        Any: {text: [text]},
    }
    plain |= {uuid.UUID: uuid.UUID(int=1), bool: True, float: 1e300}
    return plain.get(kind, 2**62)


def shown(value: Any) -> str:
    """
    Return the text of the card or the table of *value*, which is checked.
    """
    return checked(value._repr_html_()).text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not Number])
def test_hostile_text_is_text_in_every_object(cls: Any, text: str) -> None:
    """
    An object is one short line, and its card and its table are well formed and of limited size.
    """
    value = of_type(cls, text)
    for each, limit in ((value, 600), (ResultList([value] * 30), 800)):
        assert is_safe_line(repr(each))
        assert len(repr(each)) < limit + 600  # of characters that are shown by their codes
        assert TOKEN not in repr(each)
    assert len(value._repr_html_()) < 300_000
    shown(value)
    shown(ResultList([value] * 30))


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not Number])
def test_an_object_is_shown_without_what_may_be_missing(cls: Any) -> None:
    """
    A time that has not come and a container that is not there are None.
    """
    value = of_type(cls, "a", whole=False)
    assert "None" not in shown(value) + shown(ResultList([value]))


def public_classes() -> Iterator[type]:
    """
    Yield the classes of results and settings.
    """
    for module in (coder_agents, schema, streams):
        yield from (
            cls for name in module.__all__ if isinstance(cls := getattr(module, name), type)
        )


def test_every_result_has_a_card_or_a_table() -> None:
    """
    Only enumerations, settings, errors and conversions have none.
    """
    without = {
        cls.__name__
        for cls in public_classes()
        if not hasattr(cls, "_repr_html_") and not issubclass(cls, (Exception, str))
    }
    settings = {"StreamOptions", "Reconnect", "AgentGroup", "BookmarkStore", "FileBookmarks"}
    assert without == {*settings, "StreamEnd", "WorkspaceAgentLifecycleOrder"} & without
    assert {"StreamOptions", "Reconnect", "StreamEnd"} <= without


@pytest.mark.parametrize("value", samples(), ids=lambda value: type(value).__name__)
def test_every_result_is_shown_as_one_line_and_in_a_notebook(value: Any) -> None:
    """
    The line names the class.
    """
    assert is_safe_line(repr(value))
    assert type(value).__name__ in repr(value)
    assert len(repr(value)) < 700
    if hasattr(value, "_repr_html_"):
        assert shown(value)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not Number])
def test_a_line_has_no_defaults(cls: Any) -> None:
    """
    An object without arguments is its class and a pair of brackets.
    """
    assert repr(cls()) == f"{cls.__name__}()"


def test_a_line_has_the_fields_that_differ_from_their_defaults() -> None:
    """
    The fields that name the object come first, and an ellipsis stands for those without room.
    """
    agent = WorkspaceAgent(id=NIL_UUID, created_at=AT, name="main", status="connected", apps=())  # type: ignore[arg-type]
    assert (
        repr(agent)
        == "WorkspaceAgent(name='main', status='connected', created_at=2026-11-22T08:36:52Z)"
    )
    item = WorkspaceAgentMetadata(
        result=WorkspaceAgentMetadataResult(age=3, value="28%\n"),
        description=WorkspaceAgentMetadataDescription(display_name="CPU", key="cpu"),
    )
    assert repr(item) == (
        "WorkspaceAgentMetadata(description=WorkspaceAgentMetadataDescription(display_name='CPU',"
        " key='cpu'), result=WorkspaceAgentMetadataResult(age=3, value='28%\\n'))"
    )
    resource = WorkspaceResource(agents=(agent, agent))
    build = WorkspaceBuild(resources=(resource,), build_number=7)
    assert repr(build) == "WorkspaceBuild(build_number=7, resources=<1 WorkspaceResource>)"
    whole = of_type(WorkspaceAgent, "a")
    assert repr(whole).startswith(
        "WorkspaceAgent(name='a', status='a', lifecycle_state='a', id=000"
    )
    assert repr(whole).endswith(", …)")


def test_an_object_that_is_not_whole_is_shown_as_well() -> None:
    """
    A debugger shows an object before it has all its fields.
    """
    assert repr(WorkspaceAgentLog.__new__(WorkspaceAgentLog)) == "WorkspaceAgentLog()"


def test_a_class_without_columns_has_no_cells() -> None:
    """
    A table finds its columns in the fields of such a class.
    """
    with pytest.raises(NotImplementedError):
        ProvisionerJob()._cells()
    assert Represented._columns == ()


def test_the_variables_of_an_agent_are_not_shown() -> None:
    """
    A template may have put a secret into them.
    """
    agent = WorkspaceAgent(name="main", environment_variables={"KEY": "hunter2"})
    assert repr(agent) == "WorkspaceAgent(name='main')"
    assert "hunter2" not in shown(agent)
    assert agent != attrs.evolve(agent, environment_variables={})


def test_the_token_is_nowhere() -> None:
    """
    Neither a client nor an agent shows the token that it has.
    """
    client = Client("https://coder.example.com", TOKEN)
    assert shown(client) == "ClientDeploymenthttps://coder.example.com"
    for value in (client, agent_of(1), ResultList([agent_of(1), client])):
        assert TOKEN not in repr(value) + value._repr_html_()


def test_an_agent_is_shown_with_its_states() -> None:
    """
    The card has the reason why an agent is not healthy.
    """
    health = WorkspaceAgentHealth(reason="agent startup script\nexited")
    data = WorkspaceAgent(
        name="main",
        status="connected",  # type: ignore[arg-type]
        lifecycle_state="start_error",  # type: ignore[arg-type]
        health=health,
        operating_system="linux",
        logs_length=1024,
        logs_overflowed=True,
        scripts=(
            WorkspaceAgentScript(display_name="Install", run_on_start=True, cron="0 * * * *"),
        ),
    )
    text = shown(data)
    assert text.startswith(
        "mainStatus●\xa0connectedLifecycle●\xa0start_errorHealth●\xa0agent startup script exited"
    )
    assert "Log1,024 B, full" in text
    assert "Installon start, 0 * * * *" in text


def test_a_workspace_is_shown_with_its_agents() -> None:
    """
    The card has the error of the latest build.
    """
    build = WorkspaceBuild(
        build_number=3,
        status="failed",  # type: ignore[arg-type]
        job=ProvisionerJob(error="no space"),
        resources=(WorkspaceResource(agents=(WorkspaceAgent(name="main"),)),),
    )
    workspace = Workspace(name="dev", owner_name="alice", latest_build=build, outdated=True)
    text = shown(workspace)
    assert text.startswith("alice/devStatus●\xa0failedBuild3 (, )Error●\xa0no space")
    assert text.endswith("Agentmain")
    assert checked(ResultList([workspace])._repr_html_()).cells[:6] == [
        *("Workspace", "Status", "Agents", "Build", "Outdated", "alice/dev")
    ]


def test_containers_are_shown_with_their_ports_and_the_warnings() -> None:
    """
    Dev containers and containers have a table each.
    """
    ports = (
        WorkspaceAgentContainerPort(port=80, host_port=8080),
        WorkspaceAgentContainerPort(port=81),
    )
    container = WorkspaceAgentContainer(name="db", status="running", ports=ports)
    answer = WorkspaceAgentListContainersResponse(
        devcontainers=(WorkspaceAgentDevcontainer(name="api", container=container, dirty=True),),
        containers=(container, container),
        warnings=("beware",),
    )
    assert shown(answer) == (
        "1 dev container, 2 containersWarning●\xa0beware"
        "Dev containerContainerOutdatedapidbyes"
        "ContainerStatusPortsdb●\xa0running8080 -> 80, 81db●\xa0running8080 -> 80, 81"
    )


@pytest.mark.parametrize(
    ("age", "interval", "text"),
    [(3, 10, "3 s"), (1000, 10, "●\xa01,000 s, stale"), (None, 10, "●\xa0pending")],
)
def test_metadata_is_shown_with_its_age(age: int | None, interval: int, text: str) -> None:
    """
    A value that is overdue is marked, and so is one that was never collected.
    """
    item = WorkspaceAgentMetadata(
        result=WorkspaceAgentMetadataResult(
            age=age, value=" 1\x1b[31m\n2\n", error="bad", collected_at=None if age is None else AT
        ),
        description=WorkspaceAgentMetadataDescription(key="cpu", interval=interval),
    )
    cells = checked(ResultList([item])._repr_html_()).cells
    assert cells == ["Name", "Value", "Age", "Error", "cpu", "1\n2", text, "●\xa0bad"]
    assert shown(item).endswith("Keycpu" + "Interval10 s")
    once = attrs.evolve(item, description=WorkspaceAgentMetadataDescription(key="cpu"))
    assert shown(once).endswith("Intervalonce")


def test_states_have_the_colours_of_their_meaning() -> None:
    """
    A state that is not known here is grey, and an empty one is nothing.
    """
    words = ("ready", "starting", "start_error", "quantum")
    colours = [str(status(word))[:28] for word in words]
    assert len(set(colours)) == 4
    assert status("") is None
    assert problem("") is None
    assert status("not started") == str(status("not_started")).replace("_", " ")


def test_only_warnings_and_errors_are_marked_among_levels() -> None:
    """
    Most lines have the level info.
    """
    for word in LogLevel:
        assert ("●" in level(word)) is (word in ("warn", "error"))
    assert level("") == ""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", None),
        (b"", None),
        ("a\n", "a"),
        (b"a\n\xff\n", "a\n\ufffd"),
        ("\n\n", "\n"),
        ("\n".join(map(str, range(20))), "\n".join(map(str, range(20)))),
        (
            "\n".join(map(str, range(1021))) + "\n",
            "\n".join([*map(str, range(10)), "… 1,001 more lines …", *map(str, range(1011, 1021))]),
        ),
    ],
)
def test_an_output_has_its_first_and_its_last_lines(text: str | bytes, lines: str | None) -> None:
    """
    Bytes are UTF-8 as far as they can be.
    """
    found = output(text)
    assert (None if found is None else checked(found).text) == lines


def test_a_port_is_shown_in_a_row() -> None:
    """
    A column without any value is not in the table.
    """
    ports = ResultList(
        [WorkspaceAgentListeningPort(port=80), WorkspaceAgentListeningPort(port=443)]
    )
    assert checked(ports._repr_html_()).cells == ["Port", "80", "443"]


def test_a_completed_command_is_shown_with_its_outputs() -> None:
    """
    The line is short, and the card has the command as one types it.
    """
    big = b"\x1b[32mline\x1b[0m\n" * 100_000
    done = CompletedCommand(["make", "all files"], 0, big, None, duration=0.25, truncated=True)
    assert len(repr(done)) < 200
    assert "stderr" not in repr(done)
    text = shown(done)
    assert text.startswith("make 'all files'Ended●\xa0okTook250 msTruncatedyesStdoutline\nline")
    assert "… 99,980 more lines …" in text
    failed = CompletedCommand("exit 3", 3, "", "")
    assert repr(failed) == "CompletedCommand(args='exit 3', returncode=3, stdout='', stderr='')"
    assert shown(failed) == "exit 3Ended●\xa0exited with the code 3Took0.0 s"
    assert shown(CompletedCommand(7, 0)).startswith("7Ended")


def test_what_agents_have_failed_with_is_shown_with_them() -> None:
    """
    A line has the first three agents, and a table the first twenty.
    """
    agents = [agent_of(number) for number in range(1, 31)]
    errors: ByAgent[Any, Any] = ByAgent((agent, FindingError("a\nb")) for agent in agents)
    one = r"main: FindingError('a\nb')"
    assert repr(errors) == f"<ByAgent {{{one}, {one}, {one}, … 27 more}}>"
    parsed = checked(errors._repr_html_())
    assert parsed.cells == ["Agent", "Value", *["main", "●\xa0a b"] * 20, "… 10 more …"]
    assert parsed.texts[0] == "30 agents"
    ends: ByAgent[Any, Any] = ByAgent([(agents[0], StreamEnd.CLOSED), (agents[1], [1])])
    assert checked(ends._repr_html_()).cells[2:] == [
        "main",
        "closed by this program",
        "main",
        "[1]",
    ]


def test_results_of_agents_are_one_table() -> None:
    """
    The agents that failed have a table below.
    """
    items = [
        WorkspaceAgentMetadata(result=WorkspaceAgentMetadataResult(value="1", collected_at=AT))
    ]
    agents = [agent_of(number) for number in range(1, 4)]
    found = Results.of(
        [(agents[0], items * 30), (agents[1], items), (agents[2], FindingError("no"))]
    )
    parsed = checked(found._repr_html_())
    assert parsed.texts[0] == "3 agents, 1 failed"
    assert "… 11 more …" in parsed.cells
    assert parsed.cells[-2:] == ["main", "●\xa0no"]
    assert checked(Results.of([])._repr_html_()).text == "0 agents"


def test_a_change_is_shown_as_its_sentence() -> None:
    """
    Changes of several kinds are lines, too.
    """
    change = PortOpened(WorkspaceAgentListeningPort(port=80, network="tcp"))
    assert checked(ResultList([change])._repr_html_()).cells == ["Change", "port opened: tcp 80"]
    assert shown(change).startswith("port opened: tcp 80")


def test_results_of_builds_are_shown_with_their_stages() -> None:
    """
    Timings have a table for each kind, and lines of a build's log their stage.
    """
    script = AgentScriptTiming(
        workspace_agent_name="main",
        display_name="Install",
        status="exit_failure",  # type: ignore[arg-type]
        exit_code=3,
        started_at=AT,
        ended_at=AT + timedelta(seconds=2),
    )
    timings = WorkspaceBuildTimings(agent_script_timings=(script,))
    assert shown(timings) == (
        "Timings of a buildAgentScriptStatusExit codeStartedTook"
        "mainInstall●\xa0exit_failure32026-11-22 08:36:52Z2.0 s"
    )
    line = ProvisionerJobLog(
        id=1, created_at=AT, log_level=LogLevel.ERROR, stage="Plan", output="\x1b[31mno"
    )
    assert (
        shown(line)
        == "ProvisionerJobLogId1Time2026-11-22 08:36:52ZLevel●\xa0errorStagePlanOutputno"
    )
    build = WorkspaceBuild(workspace_name="dev", build_number=3, transition="start")  # type: ignore[arg-type]
    assert shown(build).startswith("Build 3 of devTransitionstart")
    page = WorkspacesResponse(count=7, workspaces=(Workspace(name="dev"),))
    assert shown(page).startswith("WorkspacesResponseCount7Workspace")
