"""
Stream options with other pauses than those that hold outside of tests.
"""

from __future__ import annotations

from typing import Any

import attrs

from coder_agents import StreamOptions
from coder_agents.streams.pauses import PAUSES, Pauses


@attrs.frozen(kw_only=True)
class PacedOptions(StreamOptions):
    """
    Stream options with *pauses*, which reach every part of a stream and of waiting.
    """

    pauses: Pauses = PAUSES

    @property
    def _pauses(self) -> Pauses:
        return self.pauses


def paced(options: StreamOptions = StreamOptions(), **pauses: Any) -> PacedOptions:  # noqa: B008
    """
    Return *options* with these pauses, added to those that they have.
    """
    settings = attrs.asdict(options, recurse=False)
    settings["pauses"] = attrs.evolve(options._pauses, **pauses)
    return PacedOptions(**settings)
