"""The demo's screen is full: few of its cells lie in long blank stretches, at any size."""

from __future__ import annotations

import re

import pytest

from blockstrata_viewer.cli.group import main

SIZES = [(80, 24), (120, 36), (160, 45), (200, 50), (240, 67)]
MOST = 0.30
"""Of all cells, those in blank stretches of six or more; the first edition had 0.48 to 0.80."""
MOST_ELSEWHERE = 0.33
"""The same after a key, by which other parts may be shown."""


def blank_share(lines: list[str], columns: int, rows: int) -> float:
    stretches = (each for line in lines for each in re.findall(" {6,}", line.ljust(columns)))
    return sum(map(len, stretches)) / (columns * rows)


def test_blank_stretches_are_counted():
    assert blank_share(["a" + " " * 5 + "b", " " * 6 + "b", ""], 7, 3) == (6 + 7) / 21


@pytest.mark.parametrize("key", ["", "f", "s", "S", "down"])
@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_few_cells_lie_in_blank_stretches(tmp_path, columns, rows, key):
    path = tmp_path / "demo.txt"
    with pytest.raises(SystemExit) as leaving:
        main(["screenshot", "--demo", "--size", f"{columns}x{rows}", "--press", key, "-o", str(path)])
    assert leaving.value.code == 0
    lines = path.read_text().splitlines()
    assert len(lines) == rows
    assert blank_share(lines, columns, rows) <= (MOST_ELSEWHERE if key else MOST)
