"""The text of a trace, on the command line and in the viewer."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.screens.reports import TraceScreen


def run(*words):
    return CliRunner().invoke(main, list(words))


def test_the_command(demo_image):
    done = run("trace", demo_image, "0x1f00000")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert "31 MiB of 64 MiB" in lines[1]
    assert "depth 1" in lines[2]
    assert lines[2].endswith("web01-monday.qcow2")
    layers = [line for line in lines if line[:1].isdigit() and "  (" in line]
    assert [line[0] for line in layers] == ["0", "1"]
    for words in ("L2       table 0x40000, index 496", "proposed LZ·O", "today    DZO", "stored at 0x"):
        assert words in done.stdout, words


@pytest.mark.parametrize(
    ("offset", "code", "words"),
    [("64M", 1, "is not on the disk"), ("much", 2, "is not a size"), ("-1", 2, "-1")],
)
def test_an_offset_that_is_none(demo_image, offset, code, words):
    done = run("trace", demo_image, offset)
    assert done.exit_code == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


async def test_the_key(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        app.main.pane.change(lambda scene: scene.go_to(0x1F00000))
        await pilot.press("T")
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "offset    0x1f00000" in text
        await pilot.press("T")
        assert not isinstance(app.screen, TraceScreen)
        # on a file's own axis it is a read of the file
        await pilot.press("v", "T")
        await pilot.pause()
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "protocol layer" in text
