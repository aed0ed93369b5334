"""
The pauses and limits that nobody has to set.
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Pauses:
    """
    Pauses in seconds, and limits, handed down to the parts that keep them.

    They follow from how deployments behave and are no options of a user. A test passes shorter or
    longer ones with its stream options.

    Attributes:
        second_try: after the first close with 1000, before the second connection.
        third_try: after the second one, where the workspace is not known.
        max_settling: that late lines are waited for, at most, when a log is over.
        build_read: between two reads of a build under way; grows while they show the same.
        max_build_read: the longest of these pauses: what a stop script prints can be had no longer.
        max_read_at_rest: the same where no build is under way.
        stopped_for: that a workspace has to be stopped before its stream ends, and before its agent
            is no longer waited for: a restart is a stop, and then a start that somebody has to
            request.
        long_absence: without a reader after which a broken connection is expected.
        first_answers: that lines of several agents wait for the first answers of the others.
        check_dial: that the first dial of a check may take, as the connection is not read meanwhile;
            doubled with each failure.
        check_retry: after a check that failed; doubled with each failure.
        max_check_retry: the longest of these pauses.
        check_lent: until another try where all kept connections are in use; doubled each time.
        max_check_lent: the longest of these pauses.
        ready_reads: between two reads of an agent that is waited for: pairs of the time
            waited up to which a pause holds, and that pause.
        max_ready_read: the pause after all of those.
        drain: between two reads of the log of an agent that is ready. An agent sends its lines a
            quarter of a second after they were printed, and does not wait for that before it
            reports that it is ready; twice that without a new line is the end.
        max_drain: that the end of such a log is waited for; something may write for ever.
        devcontainer_read: between two reads of a dev container that is waited for.
        max_leaving: that closing a stream of several agents waits for a thread that is connecting.
        max_messages: messages that are read together, at most: an empty list is two bytes.
    """

    second_try: float = 0.5
    third_try: float = 5.0
    max_settling: float = 8.0
    build_read: float = 0.5
    max_build_read: float = 2.0
    max_read_at_rest: float = 10.0
    stopped_for: float = 10.0
    long_absence: float = 10.0
    first_answers: float = 5.0
    check_dial: float = 1.0
    check_retry: float = 1.0
    max_check_retry: float = 30.0
    check_lent: float = 0.25
    max_check_lent: float = 4.0
    ready_reads: tuple[tuple[float, float], ...] = (
        (60.0, 0.5),
        (120.0, 1.0),
        (300.0, 2.0),
        (600.0, 4.0),
    )
    max_ready_read: float = 8.0
    drain: float = 0.5
    max_drain: float = 2.0
    devcontainer_read: float = 2.0
    max_leaving: float = 0.5
    max_messages: int = 1000


PAUSES = Pauses()
"""
Those that hold outside of tests.
"""
