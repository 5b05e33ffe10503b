"""What one can click on, and what the keys of the hand do: places, copies, images side by side."""

from __future__ import annotations

from pilots import opened

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.lines import Ink, Line, put_keys
from blockstrata_viewer.draw.palette import DARK

_INK = Ink("#ffffff", "#000000")


def _find(app, selector, action):
    """Return a cell of a widget on which a click does something, as the widget's own drawing has it."""
    widget = app.screen.query_one(selector)
    for y, line in enumerate(widget.draw(*widget.size)):
        for x in range(line.width):
            if line.action_at(x) == action:
                return x, y
    raise AssertionError(f"{action} is nowhere in {selector}")


def test_a_line_knows_what_a_click_does():
    line = Line(10, _INK)
    assert line.put(2, "abc", _INK, "choose(1)") == 5
    assert [line.action_at(x) for x in (-1, 1, 2, 4, 5)] == ["", "", "choose(1)", "choose(1)", ""]
    line.put(4, "de", _INK, "choose(2)")
    assert line.action_at(4) == "choose(2)", "what was put there last"
    line.put(8, "beyond", _INK, "help")
    assert (line.action_at(9), line.action_at(10)) == ("help", "")


def test_each_of_two_keys_has_its_own_click():
    line = Line(30, _INK)
    put_keys(line, 0, [("+ -", "zoom", "in", "out"), ("q", "quit", "quit"), ("x", "none")], DARK)
    assert line.text().startswith("+ - zoom  q quit  x none")
    assert [line.action_at(x) for x in (0, 2, 4, 10, 12, 18)] == ["in", "out", "in", "quit", "quit", ""]


async def test_footer_keys_are_buttons(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(app, pilot)
        cell = app.scene.viewport.cell
        await pilot.click("#keys", offset=_find(app, "#keys", "turn('zoom.in')"))
        assert app.scene.viewport.cell < cell
        await pilot.click("#keys", offset=_find(app, "#keys", "turn('zoom.out')"))
        assert app.scene.viewport.cell == cell
        await pilot.click("#keys", offset=_find(app, "#keys", "help"))
        assert app.screen is not app.main


async def test_a_state_is_isolated_and_hidden(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        app.main.action_isolate("L·AO")
        assert app.scene.isolated == "L·AO"
        app.main.action_isolate("L·AO")
        assert app.scene.isolated == ""
        app.main.action_hide("L·AO")
        app.main.action_hide("LZ··")
        assert app.scene.hidden == {"L·AO", "LZ··"}
        app.main.action_hide("LZ··")
        assert app.scene.hidden == {"L·AO"}
        await pilot.press("escape")
        assert app.scene.hidden == frozenset()
        app.main.action_isolate("L·AO")
        await pilot.press("s")
        assert app.scene.isolated == "", "letters of other flags"
