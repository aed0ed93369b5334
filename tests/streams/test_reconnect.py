"""
When a broken connection is tried again, how often, and when it is not.
"""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents import (
    AgentNotConnectedError,
    AgentNotFoundError,
    AgentShutDownError,
    AmbiguousAgentError,
    AmbiguousDevcontainerError,
    APIError,
    AuthenticationError,
    BadRequestError,
    BatchCanceledError,
    BatchTimeoutError,
    BookmarkConflictError,
    BuildEndedError,
    BuildTimeoutError,
    CoderError,
    CommandError,
    CommandLostError,
    CommandTimeoutError,
    ConfigError,
    ConflictError,
    ContainerNotFoundError,
    ControlShellError,
    DecodeError,
    DevcontainerError,
    DevcontainerNotFoundError,
    DevcontainersDisabledError,
    DevcontainerTimeoutError,
    FindingError,
    FunctionExitError,
    JobNotFoundError,
    MessageTooLargeError,
    NoAgentsError,
    NotFoundError,
    OwnerNotFoundError,
    PermissionDeniedError,
    ProxyError,
    RateLimitError,
    ReadinessError,
    ReadyTimeoutError,
    Reconnect,
    RequestTimeoutError,
    ServerError,
    ServerEventError,
    ShellError,
    StartupError,
    StreamError,
    TerminalError,
    TerminalNotFoundError,
    TLSError,
    TransportError,
    TravelError,
    UnsupportedCallError,
    UnsupportedError,
    WorkspaceFailedError,
    WorkspaceNotFoundError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents import errors as all_errors
from coder_agents.streams.reconnect import Outage, is_resumable, requested_pause, without_frames
from coder_agents.transport import DroppedError

DROPPED = [
    (None, True),  # no close frame: cut, silent, reset, or the clean end of a body
    (1000, True),  # a stream of a log looks at it first
    (1001, True),
    (1002, False),
    (1003, False),
    (1005, True),
    (1006, True),
    (1007, False),
    (1008, False),
    (1009, False),
    (1010, True),
    (1011, True),
    (1012, True),
    (1013, True),
    (1014, True),
    (1015, True),
    (3000, True),
    (4999, True),
]

# Each class, with each status it is for, told by the deployment itself.
ANSWERED: list[tuple[type[APIError], int, bool]] = [
    (APIError, 200, False),
    (APIError, 307, False),
    (APIError, 405, False),
    (APIError, 418, False),
    (APIError, 426, False),
    (BadRequestError, 400, False),
    (AgentNotConnectedError, 400, True),
    (BuildEndedError, 400, False),
    (AuthenticationError, 401, False),
    (PermissionDeniedError, 403, False),
    (NotFoundError, 404, False),
    (UnsupportedCallError, 404, False),
    (DevcontainersDisabledError, 403, False),
    (DevcontainersDisabledError, 404, False),
    (ConflictError, 409, False),
    (RateLimitError, 429, True),
    (ServerError, 500, True),
    (ServerError, 502, True),
    (ServerError, 503, True),
    (ServerError, 504, True),
]

OTHERS: list[tuple[type[CoderError], bool]] = [
    (BatchTimeoutError, False),
    (BookmarkConflictError, False),
    (BatchCanceledError, False),
    (FunctionExitError, False),
    (TravelError, False),
    (CoderError, False),
    (ConfigError, False),
    (TransportError, True),
    (ProxyError, True),
    (TLSError, True),
    (RequestTimeoutError, True),
    (FindingError, False),
    (OwnerNotFoundError, False),
    (DevcontainerNotFoundError, False),
    (AmbiguousDevcontainerError, False),
    (WorkspaceNotFoundError, False),
    (WorkspaceStoppedError, False),
    (WorkspacePendingError, False),
    (WorkspaceFailedError, False),
    (NoAgentsError, False),
    (AmbiguousAgentError, False),
    (AgentNotFoundError, False),
    (DevcontainerError, False),
    (DevcontainerTimeoutError, False),
    (ReadinessError, False),
    (StartupError, False),
    (AgentShutDownError, False),
    (ReadyTimeoutError, False),
    (BuildTimeoutError, False),
    (DecodeError, False),
    (CommandError, False),
    (CommandTimeoutError, False),
    (CommandLostError, False),
    (ControlShellError, False),
    (JobNotFoundError, False),
    (ContainerNotFoundError, False),
    (ShellError, False),
    (TerminalError, False),
    (TerminalNotFoundError, False),
    (UnsupportedError, False),
    (StreamError, False),
    (MessageTooLargeError, False),
    (ServerEventError, False),
]


@pytest.mark.parametrize(("code", "resumable"), DROPPED)
def test_which_close_codes_are_tried_again(code: int | None, resumable: bool) -> None:
    """
    All but those that say that what was sent is wrong, or too much.
    """
    assert is_resumable(DroppedError("closed", code=code)) is resumable


@pytest.mark.parametrize("by_deployment", [True, False], ids=["deployment", "between"])
@pytest.mark.parametrize(("kind", "status", "resumable"), ANSWERED)
def test_which_answers_are_tried_again(
    kind: type[APIError], status: int, resumable: bool, by_deployment: bool
) -> None:
    """
    What passes by itself, and whatever something between us and the deployment says.
    """
    error = kind("refused", status_code=status, by_deployment=by_deployment)
    assert is_resumable(error) is (resumable or not by_deployment)


def test_a_page_in_place_of_a_stream_is_tried_again() -> None:
    """
    A login page with the status 200, for one.
    """
    assert is_resumable(DecodeError("a page", by_deployment=False))


def test_a_refused_certificate_is_not_tried_again() -> None:
    """
    The next handshake would end like it.
    """
    assert not is_resumable(TLSError("refused", certificate_refused=True))


@pytest.mark.parametrize(("kind", "resumable"), OTHERS)
def test_which_other_errors_are_tried_again(kind: type[CoderError], resumable: bool) -> None:
    """
    Those of the network, and none that the same bytes would cause again.
    """
    assert is_resumable(kind("broken")) is resumable


def test_each_exception_is_in_the_tables() -> None:
    """
    A new one has to be given its place.
    """
    known = {kind for kind, _ in OTHERS} | {kind for kind, _, _ in ANSWERED}
    defined = {getattr(all_errors, name) for name in all_errors.__all__}
    assert known == defined


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (DroppedError("closed", code=1012), 0.0),
        (TransportError("refused"), 0.0),
        (RateLimitError("slow down", retry_after=None), 0.0),
        (RateLimitError("slow down", retry_after=0), 0.0),
        (RateLimitError("slow down", retry_after=7.5), 7.5),
        (ServerError("later", retry_after=120), 120),
        (ServerError("later", retry_after=21_600), 21_600),
        (ServerError("later", retry_after=21_601), 21_600),
        (ServerError("later", retry_after=10**400), 21_600),
        (ServerError("later", retry_after=math.inf), 21_600),
    ],
)
def test_the_pause_that_is_asked_for(error: DroppedError | CoderError, seconds: float) -> None:
    """
    It is that of Retry-After, and no more than six hours: the largest number would never end.
    """
    assert requested_pause(error) == seconds


def middle() -> float:
    """
    Return the chance by which a pause is neither longer nor shorter.
    """
    return 0.5


def test_delays_double_up_to_the_maximum() -> None:
    """
    The first delay is *initial*.
    """
    delays = [Reconnect().delay(attempt, middle) for attempt in range(1, 10)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    policy = Reconnect(initial=3, maximum=20)
    assert [policy.delay(attempt, middle) for attempt in range(1, 6)] == [3, 6, 12, 20, 20]
    assert Reconnect(initial=60).delay(1, middle) == 30


@pytest.mark.parametrize("attempt", [61, 62, 1_000, 1_100, 10**9, 10**30])
def test_any_number_of_tries_is_paused_for(attempt: int) -> None:
    """
    The power of two does not overflow, also where the initial pause is tiny or huge.
    """
    assert Reconnect().delay(attempt, middle) == 30
    assert Reconnect(initial=1e-9).delay(attempt, middle) == 30
    assert Reconnect(initial=1e308).delay(attempt, middle) == 30


@pytest.mark.parametrize(
    ("jitter", "chance", "seconds"),
    [
        (0.25, 0.0, 6.0),
        (0.25, 0.5, 8.0),
        (0.25, 0.75, 9.0),
        (0.25, 1.0, 10.0),
        (0.0, 0.0, 8.0),
        (0.0, 1.0, 8.0),
        (0.5, 0.0, 4.0),
    ],
)
def test_jitter_is_a_part_of_the_pause(jitter: float, chance: float, seconds: float) -> None:
    """
    The pause is made longer or shorter by it.
    """
    assert Reconnect(jitter=jitter).delay(5, lambda: chance) == seconds


@given(
    st.integers(1, 10**12),
    st.floats(1e-6, 1e6),
    st.floats(1e-6, 1e6),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_a_pause_keeps_within_its_jitter(
    attempt: int, initial: float, maximum: float, jitter: float, chance: float
) -> None:
    """
    It is above zero and no longer than the maximum allows, whatever the settings are.
    """
    policy = Reconnect(initial=initial, maximum=maximum, jitter=jitter)
    wanted = policy.delay(attempt, middle)
    assert min(initial, maximum) <= wanted <= maximum
    delay = policy.delay(attempt, lambda: chance)
    assert delay > 0
    assert delay <= maximum
    assert wanted * (1 - jitter) * 0.999 <= delay <= wanted * (1 + jitter) * 1.001


def test_pauses_of_the_maximum_are_spread_below_it() -> None:
    """
    Many clients do not come back at once then, and none waits longer than it was told to.
    """
    random.seed(5)
    delays = {Reconnect(maximum=30).delay(20) for _ in range(1_000)}
    assert len(delays) > 900
    assert 22.5 <= min(delays) <= max(delays) <= 30


def test_clients_do_not_come_back_all_at_once() -> None:
    """
    The pause is a matter of chance by default, over the whole of the jitter.
    """
    random.seed(5)
    delays = {Reconnect().delay(5) for _ in range(1_000)}
    assert len(delays) > 900
    assert 6.0 <= min(delays) < 6.1
    assert 9.9 < max(delays) <= 10.0


@pytest.mark.parametrize("field", ["initial", "maximum", "give_up_after"])
@pytest.mark.parametrize("value", [0, 0.0, -1, -0.5, math.nan, math.inf, -math.inf])
def test_seconds_must_be_finite_and_above_zero(field: str, value: float) -> None:
    """
    The error names the field and the value.
    """
    settings: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=rf"^{field} must be a finite .* above 0, not {value}$"):
        Reconnect(**settings)


@pytest.mark.parametrize("field", ["initial", "maximum", "give_up_after"])
@pytest.mark.parametrize("value", [True, False, "5", b"5", [5], 5j])
def test_seconds_must_be_a_number(field: str, value: object) -> None:
    """
    The error names the field and the type.
    """
    settings: dict[str, Any] = {field: value}
    says = rf"^{field} must be a number of seconds, not {type(value).__name__}$"
    with pytest.raises(TypeError, match=says):
        Reconnect(**settings)


@pytest.mark.parametrize("field", ["initial", "maximum"])
def test_only_giving_up_can_be_omitted(field: str) -> None:
    """
    None as *give_up_after* means never.
    """
    assert Reconnect(give_up_after=None).give_up_after is None
    settings: dict[str, Any] = {field: None}
    with pytest.raises(TypeError, match=f"^{field} must be a number of seconds, not NoneType$"):
        Reconnect(**settings)


@pytest.mark.parametrize("jitter", [-0.01, 1, 1.0, 2, math.nan, math.inf, -math.inf])
def test_jitter_must_be_a_part(jitter: float) -> None:
    """
    With 1 a pause could be none at all.
    """
    says = rf"^jitter must be 0 or more and below 1, not {jitter}$"
    with pytest.raises(ValueError, match=says):
        Reconnect(jitter=jitter)


@pytest.mark.parametrize("jitter", [True, False, "0.5", None, [0]])
def test_jitter_must_be_a_number(jitter: Any) -> None:
    """
    The error says of which type it is.
    """
    with pytest.raises(TypeError, match=rf"^jitter must be a number, not {type(jitter).__name__}$"):
        Reconnect(jitter=jitter)


def test_a_policy_is_data() -> None:
    """
    Its fields have names, and stay as they are.
    """
    policy = Reconnect()
    assert repr(policy) == (
        "Reconnect(initial=0.5, maximum=30.0, jitter=0.25, give_up_after=300.0)"
    )
    assert policy == Reconnect(initial=0.5)
    assert len({policy, Reconnect(), Reconnect(jitter=0)}) == 2
    with pytest.raises(AttributeError):
        policy.initial = 1  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        Reconnect(0.5)  # type: ignore[call-arg]


def test_an_outage_begins_without_a_try() -> None:
    """
    Its tries are counted from there.
    """
    outage = Outage(since=5.0)
    assert (outage.since, outage.attempts) == (5.0, 0)
    outage.attempts += 1
    assert outage == Outage(5.0, 1)


def test_a_requested_pause_ends_in_time_for_one_more_try() -> None:
    """
    The stream gives up after that try, and not before it, however long the pause is.
    """
    policy = Reconnect(initial=1, jitter=0, give_up_after=300)
    outage = Outage(since=100.0)
    assert outage.pause(policy, 301.0, now=100.0) == 300.0
    assert outage.pause(policy, 0.0, now=399.0) == 1.0
    assert outage.pause(policy, 0.0, now=400.0) is None
    assert outage.attempts == 3


def test_who_never_gives_up_waits_as_long_as_requested() -> None:
    """
    The wait is as long as the back-off says, where that is longer.
    """
    policy = Reconnect(initial=2, jitter=0, give_up_after=None)
    outage = Outage(since=0.0)
    assert outage.pause(policy, 1.0, now=1e6) == 2.0
    assert outage.pause(policy, 3600.0, now=1e6) == 3600.0


def test_what_is_kept_of_an_error_has_no_frames() -> None:
    """
    Its causes have none either, or they would keep alive all that their calls refer to.
    """

    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    with pytest.raises(ValueError, match="outer") as caught:
        fail()
    found = without_frames(caught.value)
    assert found is caught.value
    assert found.__traceback__ is None
    assert found.__cause__ is not None
    assert found.__cause__.__traceback__ is None
