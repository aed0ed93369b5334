"""
What has rows, as a table of other libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    import pyarrow


class Tabular:
    """
    Objects whose rows other libraries for data frames take: see `coder_agents.export`.
    """

    __slots__ = ()

    def _tabulated(self) -> object:
        """
        Return the objects whose rows are those of this object, for `coder_agents.export`.
        """
        return self

    def to_frame(self) -> pandas.DataFrame:
        """
        Return the rows of all items as a data frame of pandas: see `coder_agents.export.to_frame`.

        Raises *ImportError* where pandas is not installed.
        """
        from coder_agents.export import to_frame

        return to_frame(self)

    def to_arrow(self) -> pyarrow.Table:
        """
        Return the rows of all items as a table of Arrow: see `coder_agents.export.to_arrow`.

        Raises *ImportError* where pyarrow is not installed.
        """
        from coder_agents.export import to_arrow

        return to_arrow(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """
        Return the table of `to_arrow` as a stream of Arrow.

        This is the PyCapsule interface of Arrow, by which data frames take tables of one another. Most
        of them take what is a list or a sequence as one column of objects, before they look for it.

        Raises *ImportError* where pyarrow is not installed.
        """
        stream: object = self.to_arrow().__arrow_c_stream__(requested_schema)
        return stream
