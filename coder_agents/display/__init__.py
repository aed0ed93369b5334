"""
Live views, recordings, time lines and plots, for notebooks and terminals.

Views and recordings need no extra. Plots and data frames need the extra ``notebook``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.display.live import LiveView, ViewEnd
    from coder_agents.display.logs_view import LogsView
    from coder_agents.display.metadata_view import MetadataView
    from coder_agents.display.readings import MetadataReading
    from coder_agents.display.recorder import MetadataRecorder
    from coder_agents.display.timeline import Timeline
    from coder_agents.display.timeline_steps import StepKind, StepStatus, TimelineStep
    from coder_agents.display.top import TopView

__all__ = [
    "LiveView",
    "LogsView",
    "MetadataReading",
    "MetadataRecorder",
    "MetadataView",
    "StepKind",
    "StepStatus",
    "Timeline",
    "TimelineStep",
    "TopView",
    "ViewEnd",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "live": "LiveView ViewEnd",
        "logs_view": "LogsView",
        "metadata_view": "MetadataView",
        "readings": "MetadataReading",
        "recorder": "MetadataRecorder",
        "timeline": "Timeline",
        "timeline_steps": "StepKind StepStatus TimelineStep",
        "top": "TopView",
    },
)
