"""Reading an image in steps: what is given up is closed, and nothing of it is shown any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.model import loading
from blockstrata_viewer.model.loading import Loader
from blockstrata_viewer.model.opening import Opening


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors cannot be counted")


def test_a_load_that_is_given_up_yields_nothing_and_closes_what_it_opened(demo_image):
    before = descriptors()
    for _ in range(5):
        assert list(Loader(demo_image, Opening()).load(lambda: True)) == []
    assert descriptors() == before


def test_one_that_nobody_asks_on_is_closed_too(demo_image, monkeypatch):
    before = descriptors()

    def failing(_chain):
        raise BlockstrataError("image", "", "no")

    monkeypatch.setattr(loading, "export_layers", failing)
    with pytest.raises(BlockstrataError):
        list(Loader(demo_image, Opening()).load())
    assert descriptors() == before


def test_what_is_handed_over_stays_open(demo_image):
    before = descriptors()
    *_, disk = Loader(demo_image, Opening()).load()
    assert descriptors() > before
    disk.chain.close()
    disk.chain.close()  # as a load that comes too late may ask for
    assert descriptors() == before
