"""One demo chain for all tests of the viewer."""

from __future__ import annotations

import pytest
from pilots import load_whole

from blockstrata_viewer.scenarios import DEFAULT, SCENARIOS


@pytest.fixture(scope="session")
def demo_image(tmp_path_factory):
    return SCENARIOS[DEFAULT].build(tmp_path_factory.mktemp("demo"))[0]


@pytest.fixture(scope="session")
def demo_disk(demo_image):
    disk = load_whole(demo_image)
    yield disk
    disk.chain.close()
