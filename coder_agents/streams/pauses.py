"""
The pauses and limits that no user sets.
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Pauses:
    """
    Pauses and limits in seconds, passed down to the parts that keep them.

    They follow from the behaviour of deployments, and are no options of a user. A test passes
    shorter or longer ones with its stream options.

    Attributes:
        second_try: from the first close with 1000 to the second connection.
        third_try: from the second close with 1000 to the third connection, where the workspace is
            not known.
        max_settling: the longest wait for late lines when a log is over.
        build_read: between two reads during a build; grows while the answers do not change.
        max_build_read: the longest pause between two reads during a build; the output of a stop
            script can be read only for a short time.
        max_stable_read: the longest pause between two reads while no build is running.
        stopped_for: how long a workspace has to be stopped before its stream ends, and before a
            wait for its agent ends: a restart is a stop, and then a start that has to be requested.
        long_absence: the time without a read after which a broken connection is expected.
        first_answers: the longest time for which lines of several agents are held back until the
            other agents have answered.
        check_dial: the longest first dial of a check, because the connection is not read meanwhile;
            doubled with each failure.
        check_retry: after a failed check; doubled with each failure.
        max_check_retry: the longest pause after a failed check.
        check_lent: until another try where all kept connections are in use; doubled each time.
        max_check_lent: the longest pause where all kept connections are in use.
        ready_reads: between two reads of an agent that is waited for: pairs of a waiting time and
            the pause that applies until then.
        max_ready_read: the pause after all of those times.
        drain: between two reads of the log of an agent that is ready. An agent sends a line a
            quarter of a second after the line was printed, and does not wait for that before it
            reports that it is ready. Twice that time without a new line is the end.
        max_drain: the longest wait for the end of such a log; a process may write for ever.
        devcontainer_read: between two reads of a dev container that is waited for.
        max_leaving: that closing a stream of several agents waits for a thread that is connecting.
        max_messages: messages that are read together, at most: an empty list is two bytes.
    """

    second_try: float = 0.5
    third_try: float = 5.0
    max_settling: float = 8.0
    build_read: float = 0.5
    max_build_read: float = 2.0
    max_stable_read: float = 10.0
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
The pauses outside of tests.
"""
