"""
The widget that shows lines of text, each folded to the width of the widget.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable

from rich.cells import chop_cells
from rich.text import Text
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

_MIN_WIDTH = 2  # columns: some characters are as wide


class FoldedText(ScrollView, can_focus=True):
    """
    Lines of text, which are folded again when the width changes.

    Only the rows in view are rendered, so a change of the width takes no longer with thousands of lines.
    Its end stays in view while it is in view, and else the line at the top stays there.

    Args:
        max_lines: the lines that are kept; of more, the newest.
        id: of the widget.
    """

    DEFAULT_CSS = """
    FoldedText {
        overflow-x: hidden;
        overflow-y: scroll;
    }
    """

    def __init__(self, *, max_lines: int, id: str | None = None) -> None:
        super().__init__(id=id)
        self._max_lines = max_lines
        self._texts: list[Text] = []
        self._ends: list[int] = []  # for each line, the number of rows up to its end
        self._width = _MIN_WIDTH
        self._follows_end = True

    def append(self, texts: Iterable[Text]) -> None:
        """
        Show *texts* below the other lines.
        """
        added = list(texts)
        self._texts += added
        self._ends += self._ends_of(added, self._ends[-1] if self._ends else 0)
        top = self.scroll_y
        if len(self._texts) > self._max_lines:
            removed = len(self._texts) - self._max_lines
            rows = self._ends[removed - 1]
            del self._texts[:removed]
            self._ends = [end - rows for end in self._ends[removed:]]
            top -= rows
        self._show(top)

    def on_resize(self, event: Resize) -> None:
        """
        Fold all lines again where the width has changed.
        """
        top = self.scroll_y
        width = max(_MIN_WIDTH, self.scrollable_content_region.width)
        if width != self._width:
            at_top = bisect.bisect_right(self._ends, self.scroll_offset.y)
            self._width = width
            self._ends = self._ends_of(self._texts, 0)
            top = self._begin(at_top)
        self._show(top)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """
        Note whether the end is in view now: a lower widget, or new lines, do not change that.
        """
        super().watch_scroll_y(old_value, new_value)
        self._follows_end = self.is_vertical_scroll_end

    def render_line(self, y: int) -> Strip:
        """
        Return the row *y* of the rows in view.
        """
        row = y + self.scroll_offset.y
        line = bisect.bisect_right(self._ends, row)
        if line == len(self._texts):
            return Strip.blank(self._width, self.rich_style)
        text = self._texts[line]
        lengths = map(len, chop_cells(text.plain, self._width))
        part = text.divide(itertools.accumulate(lengths))[row - self._begin(line)]
        part.stylize_before(text.style)  # a text without spans is rendered without its own style
        strip = Strip(part.render(self.app.console))
        return strip.adjust_cell_length(self._width).apply_style(self.rich_style)

    def _begin(self, line: int) -> int:
        """
        Return the first row of *line*.
        """
        return self._ends[line - 1] if line else 0

    def _ends_of(self, texts: Iterable[Text], begin: int) -> list[int]:
        heights = (max(1, len(chop_cells(text.plain, self._width))) for text in texts)
        return list(itertools.accumulate(heights, initial=begin))[1:]

    def _show(self, top: float) -> None:
        """
        Scroll to the end where it was in view, else to the row *top*.
        """
        follows_end = self._follows_end  # a lower number of rows scrolls, too
        self.virtual_size = Size(self._width, self._ends[-1] if self._ends else 0)
        if follows_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        else:
            self.scroll_to(y=max(0, top), animate=False, immediate=True)
        self.refresh()
