"""
The benchmark of data frames compares what is equal.
"""

from __future__ import annotations

import json

import frames
import pytest

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]


def test_the_bodies_are_logs_of_equal_and_of_different_lines() -> None:
    """
    Repeated lines have one text and one time, different lines have each their own.
    """
    repeated = json.loads(frames.repeated(50))
    different = json.loads(frames.different(50))
    assert len({(line["output"], line["created_at"]) for line in repeated}) == 1
    for name in ("id", "output", "created_at"):
        assert len({line[name] for line in different}) == 50


def test_each_way_is_measured_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Both cases have a line with the two times and their ratio.
    """
    pytest.importorskip("pandas")
    frames.main(["--lines", "20", "--rounds", "1"])
    _, head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[-4:] == ["ours", "ratio", "to_frame", "alone"]
    assert [line.split()[0] for line in lines] == ["repeated", "different"]
    figures = frames.measured(frames.different(20), 1)
    assert figures.ratio == figures.ours / figures.plain
