"""The areas that the recipes are to cover: one that loses a recipe is told by its name."""

from __future__ import annotations

import pytest
from recipes import AREAS, RECIPES

LEAST = {
    "cluster sizes": 13,
    "compat": 2,
    "refcount widths": 14,
    "lazy refcounts": 3,
    "tables": 3,
    "extended l2": 13,
    "subclusters": 6,
    "preallocation": 21,
    "zero": 5,
    "discard": 9,
    "compressed": 9,
    "data file": 22,
    "snapshots": 8,
    "snapshots opened": 34,
    "resize": 12,
    "commit": 6,
    "rebase": 9,
    "convert": 4,
    "amend": 14,
    "bitmaps": 1,
    "backings": 42,
    "sizes": 21,
    "holes": 45,
    "past the end": 13,
    "patched": 21,
    "chains": 11,
    "protocols": 19,
    "encrypted": 11,
}
"""Recipes an area, at least."""


def test_every_area_is_listed():
    assert set(AREAS) == set(LEAST)
    assert sorted(name for names in AREAS.values() for name in names) == sorted(RECIPES)


@pytest.mark.parametrize("area", LEAST)
def test_no_area_has_become_smaller(area):
    assert len(AREAS.get(area, [])) >= LEAST[area]
