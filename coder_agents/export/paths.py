"""
The format of a file, from its path.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import attrs

from coder_agents.errors.advice import Advice
from coder_agents.export.formats import FormatName
from coder_agents.local_files import written_path

PathLike = str | os.PathLike[str]

_BY_SUFFIX: dict[str, FormatName] = {
    ".txt": "text",
    ".log": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
_GZIP = ".gz"


@attrs.frozen
class Target:
    """
    The file to write.

    Attributes:
        path: its path, without symbolic links where it is a file.
        format: its format.
        is_gzip: whether it is compressed with gzip.
    """

    path: Path
    format: FormatName
    is_gzip: bool


def target_of(path: PathLike, format: FormatName | None) -> Target:
    """
    Return the file *path* in *format*; None is the format of the path's suffix.

    Raises *ValueError* where the path or *format* leads to no format, *TypeError* where *path* is
    no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            "path must be text or a path, such as 'shop.csv' or pathlib.Path('shop.csv'), not an object of"
            f" the class {type(path).__name__}"
        )
    given = Path(path)
    is_gzip = given.suffix.lower() == _GZIP
    suffix = (given.with_suffix("") if is_gzip else given).suffix.lower()
    chosen = _BY_SUFFIX.get(suffix) if format is None else format
    if chosen is None:
        raise ValueError(
            f"{given.name!r} has no suffix of a format: use one of {', '.join(_BY_SUFFIX)}, each also"
            f" with {_GZIP}, or {Advice.FORMAT}"
        )
    if chosen not in get_args(FormatName):
        names = ", ".join(map(repr, get_args(FormatName)))
        raise ValueError(f"format must be one of {names}, not {format!r}")
    if chosen == "parquet" and is_gzip:
        raise ValueError("a Parquet file is compressed by itself: write it without .gz")
    return Target(written_path(given), chosen, is_gzip)
