"""The demo's screen at a few sizes, in colour, without, and light, as recorded under tests/golden/screens.

Beside each picture stands its cells as text, for a person to see what changed.  After a wanted change::

    BLOCKSTRATA_UPDATE_GOLDEN=1 pytest tests/viewer/app/test_snapshots.py
"""

from __future__ import annotations

import os
from pathlib import Path
from string import ascii_letters, digits

import pytest

from blockstrata_viewer.app.headless import Still, take
from blockstrata_viewer.export import Screen, render
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS

GOLDEN = Path(__file__).parents[2] / "golden" / "screens"
STILLS = {
    "80x24-dark": {"columns": 80, "rows": 24},
    "120x36-dark": {},
    "120x36-light": {"theme": "light"},
    "120x36-mono": {"colours": "none"},
    "200x50-dark": {"columns": 200, "rows": 50},
}
MARKS = "." + ascii_letters + digits + "!#$%&*+-/:;<=>?@^_~"


def cells_of(screen: Screen) -> str:
    """Return each row as its characters and, under them, a mark a cell for its ink; then what marks mean."""
    inks: dict[tuple[str, str, bool], str] = {(screen.ink, screen.page, False): "."}
    lines = []
    for row in screen.rows:
        lines.append("".join(cell.text for cell in row).rstrip())
        # without a glyph the colour of the ink does not show
        seen = [(screen.ink if cell.text == " " else cell.fg, cell.bg, cell.bold) for cell in row]
        lines.append("".join(inks.setdefault(ink, MARKS[len(inks)]) for ink in seen).rstrip("."))
    meanings = [f"{mark} {fg} on {bg}{' bold' if bold else ''}" for (fg, bg, bold), mark in inks.items()]
    return "\n".join([*lines, "", *meanings, ""])


@pytest.mark.parametrize("name", STILLS)
def test_screen(name, tmp_path, monkeypatch):
    SCENARIOS[DEFAULT].build(tmp_path)
    monkeypatch.chdir(tmp_path)
    shot = take(Still("web01-active.qcow2", aim=Aim(0x1E60000, layer=1), **STILLS[name]))
    svg = render(shot.screen, "svg", shot.title).decode()
    assert str(tmp_path) not in svg
    found = {".txt": cells_of(shot.screen), ".svg": svg}
    if os.environ.get("BLOCKSTRATA_UPDATE_GOLDEN") == "1":
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for ending, content in found.items():
            (GOLDEN / f"{name}{ending}").write_text(content, encoding="utf-8")
    for ending, content in found.items():
        golden = (GOLDEN / f"{name}{ending}").read_text(encoding="utf-8")
        # as lists, so that pytest shows the lines that differ
        assert content.splitlines() == golden.splitlines(), f"{name}{ending}"
