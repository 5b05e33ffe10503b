"""The screen as text, for when there is no terminal to run in.

The one place that reads Textual's composed screen, which takes a private call of it.
"""

from __future__ import annotations

import asyncio
import shutil

from blockstrata_viewer.app import ViewerApp

_SIZE = (120, 36)


def picture(image: str, theme: str, semantics: str) -> list[str]:
    """Return the lines of the viewer's first whole frame on an image; errors as the core raises them."""
    return asyncio.run(_picture(image, theme, semantics))


async def _picture(image: str, theme: str, semantics: str) -> list[str]:
    app = ViewerApp(image, theme, semantics)
    app.mono = True
    async with app.run_test(size=shutil.get_terminal_size(_SIZE)) as pilot:
        await app.settled.wait()
        await pilot.pause()
        if app.failure:
            raise app.failure
        strips = app.screen._compositor.render_strips()
        return [f"{strip.text.rstrip()}\n" for strip in strips]
