"""What tests of the running viewer have in common."""

from __future__ import annotations

import pytest
from pilots import opened

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup


@pytest.fixture
async def viewer(demo_image):
    """The demo on a screen of 120×36, as (app, press): press returns the scene after the keys."""
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)

        async def press(*keys):
            await pilot.press(*keys)
            await pilot.pause()
            return app.scene

        yield app, press
