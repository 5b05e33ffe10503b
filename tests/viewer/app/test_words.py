"""The bars and the inspector in the running viewer: their height, and what a click on them does."""

from __future__ import annotations

import pytest
from pilots import button, opened, screen_text

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 2), ((120, 36), 2), ((200, 50), 1)])
async def test_the_legend_takes_the_rows_that_its_words_need(demo_image, size, rows):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        text = screen_text(app)
        for _ in range(3):
            assert app.screen.query_one("#legend").size.height == rows
            await pilot.press("s")
    legend = "".join(text.splitlines()[-1 - rows : -1])
    for words in (
        "L·AO data",
        "L·A· compressed",
        "LZ·· zero",
        "LZ·O hole",
        "··AO reserved",
        "···· falls through",
    ):
        assert f" {words} " in legend


async def test_a_click_on_the_switch_a_state_or_a_layer(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.click("#legend", offset=button(app, "#legend", "isolate('LZ··')"))
        assert app.scene.isolated == "LZ··"
        await pilot.click("#legend", offset=button(app, "#legend", "isolate('LZ··')"))
        assert app.scene.isolated == ""
        await pilot.click("#legend", offset=button(app, "#legend", "isolate('LZ··')"), shift=True)
        assert app.scene.hidden == {"LZ··"}
        await pilot.click("Inspector", offset=button(app, "Inspector", "choose(2)"))
        assert app.scene.selected == 2
        await pilot.click("#title", offset=button(app, "#title", "under('historic')"))
        assert app.scene.semantics.name == "historic"
        await pilot.press("r")
        await pilot.click("#keys", offset=button(app, "#keys", "round_trip"))
        assert app.scene.disk.round_trip is None
