"""
The handle of a stream, which a user holds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar

from coder_agents.config import seconds_or_none
from coder_agents.render.html import render_html_card
from coder_agents.render.line import counted
from coder_agents.representation import ResultList
from coder_agents.streams.core import Core
from coder_agents.streams.engine import Engine
from coder_agents.streams.options import StreamEnd, StreamStats
from coder_agents.streams.stores import BookmarkStore

T = TypeVar("T")


class Stream(Generator[T, None, None]):
    """
    A generator of items that come from a deployment, and a context manager.

    The stream connects again when its connection drops. It starts no thread: its socket is read
    while the user iterates or polls. One thread at a time reads it; any thread or signal handler
    may close it.

    A user holds only this object, no part below it. Each method drops its own reference before it
    raises, so that no traceback keeps a stream open. It sets ``self`` to None for that: where the
    argument is deleted, IPython cannot show the frame.
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(self, core: Core[T]) -> None:
        self._core = core

    def __repr__(self) -> str:
        core = self._core
        items = counted(core.position.count, "item")
        return f"<{type(self).__name__} of {core.engine.what}, {items}, {_state(core)}>"

    def _repr_html_(self) -> str:
        core = self._core
        stats = core.stats()
        facts = (
            ("State", _state(core)),
            ("Items", f"{stats.items:,}"),
            ("Received", f"{stats.bytes:,} B"),
            ("Reconnects", stats.reconnects or None),
            ("Late", stats.late or None),
            ("Log", "full" if stats.overflowed else None),
            ("Since", stats.since),
        )
        return render_html_card(f"{type(self).__name__} of {core.engine.what}", facts)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied: it holds a connection"
        )

    @property
    def end(self) -> StreamEnd | None:
        """
        Why the stream ended; None while it runs.
        """
        return self._core.end

    @property
    def stats(self) -> StreamStats:
        """
        The counts so far.
        """
        return self._core.stats()

    def __next__(self) -> T:
        core = self._core
        try:
            if core.saver is not None:
                core.saver.confirm(core)
            while True:
                pending = core.position.pending
                if pending and not core.closed:
                    # No call from here to the `return`: no signal handler runs in between, so an
                    # item that was taken is handed out.
                    item = pending[0]
                    del pending[0]
                    return item
                if not core.fill(math.inf):
                    break
        except Exception:
            self = None  # type: ignore[assignment]
            raise
        except BaseException as error:
            self = None  # type: ignore[assignment]
            raise core.interrupted(error)  # noqa: B904 (it is the same)
        raise StopIteration

    def poll(self, timeout: float | None) -> T | None:
        """
        Return the next item, or None after *timeout* seconds; the stream stays whole.

        None as *timeout* waits without limit, 0 not at all. Only a dial may exceed *timeout*, by
        the connect time-out at most. After the end of the stream, `poll` returns None at once.

        Raises what the iteration raises: *CoderError* where the stream failed, *ValueError* where
        another thread reads it.
        """
        core = self._core
        try:
            deadline = _deadline(timeout)
            if core.saver is not None:
                core.saver.confirm(core)
            while True:
                pending = core.position.pending
                if pending and not core.closed:
                    item = pending[0]
                    del pending[0]
                    return item
                if not core.fill(deadline):
                    return None
        except Exception:
            self = None  # type: ignore[assignment]
            raise
        except BaseException as error:
            self = None  # type: ignore[assignment]
            raise core.interrupted(error)  # noqa: B904 (it is the same)

    def batches(self) -> Iterator[ResultList[T]]:
        """
        Return an iterator over lists of items that arrived together.

        A list has the items of one message of the deployment, or of several small messages.
        """
        return Batches(self)

    def send(self, value: None) -> T:
        """
        Return the next item; *value* is ignored.
        """
        return next(self)

    def throw(
        self,
        typ: Any,
        val: Any = None,
        tb: TracebackType | None = None,
    ) -> NoReturn:
        """
        Close the stream and raise the exception, as a generator that does not catch it would.
        """
        core = self._core
        core.close()
        self = None  # type: ignore[assignment]
        if not isinstance(typ, type):
            if val is not None:
                raise TypeError("instance exception may not have a separate value")
            error = typ
        elif isinstance(val, typ):
            error = val
        elif val is None:
            error = typ()
        else:
            error = typ(*val) if isinstance(val, tuple) else typ(val)
        if core.saver is not None:
            core.saver.save_at_end(core, error)
        raise error if tb is None else error.with_traceback(tb)

    def close(self) -> None:
        """
        End the stream; callable from any thread or signal handler, and repeatedly.

        Returns at once. A blocked reader wakes, and its iteration ends.

        A stream with a store of bookmarks saves them: the thread that reads does it, here, or at the
        end of its iteration or of its ``with`` statement. Outside of a ``with`` statement, every line
        that was handed out counts as done then, unless an exception is being handled. Raises what
        the store raises.
        """
        core = self._core
        try:
            core.close()
            if core.saver is not None:
                core.saver.save_at_close(core)
        except Exception:
            self = None  # type: ignore[assignment]
            raise
        except BaseException as error:
            self = None  # type: ignore[assignment]
            raise core.interrupted(error)  # noqa: B904 (it is the same)

    def __enter__(self) -> Self:
        saver = self._core.saver
        if saver is not None:
            saver.is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        core = self._core
        if isinstance(error, KeyboardInterrupt):
            traceback = error.__traceback__
            core.interrupted(error).with_traceback(traceback)
        else:
            self.close()
            if core.saver is not None:
                core.saver.save_at_exit(core, error)

    def __del__(self) -> None:
        core = self._core
        if core.closed:
            core.try_free()  # an interrupt may have prevented it before
            if core.saver is not None:
                core.saver.save_forgotten(core)
        else:
            core.forget(repr(self))


class Batches(Iterator[ResultList[T]], Generic[T]):
    """
    The items of a stream, in lists of items that arrived together.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream[T]) -> None:
        self._stream = stream

    def __next__(self) -> ResultList[T]:
        core = self._stream._core
        try:
            if core.saver is not None:
                core.saver.confirm(core)
            while True:
                position = core.position
                pending = position.pending
                if pending and not core.closed:
                    batch, taken = ResultList(pending), position.taken()
                    # As in `Stream.__next__`, unless another thread took an item meanwhile.
                    if pending and pending[0] is batch[0]:
                        core.position = taken
                        return batch
                elif not core.fill(math.inf):
                    break
        except Exception:
            self = None  # type: ignore[assignment]
            raise
        except BaseException as error:
            self = None  # type: ignore[assignment]
            raise core.interrupted(error)  # noqa: B904 (it is the same)
        raise StopIteration


def _state(core: Core[Any]) -> str:
    return "open" if core.end is None else f"ended: {core.end}"


def _deadline(timeout: float | None) -> float:
    seconds = seconds_or_none("timeout", timeout)
    return math.inf if seconds is None else time.monotonic() + seconds


S = TypeVar("S", bound=Stream[Any])


def opened(
    kind: Callable[[Core[Any]], S], engine: Engine[Any], store: BookmarkStore | None = None
) -> S:
    """
    Return a connected stream of this *kind* over *engine*, which saves its bookmarks to *store*.

    Raises *CoderError* where the stream cannot be connected.
    """
    core = Core(engine, store)
    stream = kind(core)
    try:
        core.open()
    except Exception:
        del stream
        raise
    except BaseException as error:
        del stream
        raise core.interrupted(error)  # noqa: B904 (it is the same)
    return stream
