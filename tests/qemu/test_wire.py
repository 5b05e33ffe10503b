"""What a server says: of every recipe's image, as real ``qemu-nbd`` says it and nbdinfo prints it.

And the round trip once for real: what we compute that a client concludes is what came over the wire.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from click.testing import CliRunner
from nbd_oracle import TOOLS as NBD_TOOLS
from nbd_oracle import map_of
from oracle import TOOLS, Question, build, report
from recipe import SECRET
from recipes import RECIPES
from servers import qemu_nbd

from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.extents import run_starts
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import merged
from blockstrata.questions.round_trip import round_trip
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.nbd import NBD_6_0, wire_of
from blockstrata_viewer.cli.group import main

pytestmark = pytest.mark.live(*TOOLS, *NBD_TOOLS)


def served(recipe, work):
    """Serve a recipe's image; the format is probed, as it is for qemu-img."""
    return qemu_nbd(work, *SECRET, recipe.asked or recipe.image)


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_server_says(name, work):
    recipe = RECIPES[name]
    build(recipe, work)
    with served(recipe, work) as uri:
        theirs = map_of(uri, cwd=work)
    with contextlib.chdir(work):
        ours = CliRunner().invoke(main, ["map", "--output", "nbd-json", recipe.image])
    question = Question(recipe.image, ("--output", "nbd-json"), recipe.asked or recipe.image)
    assert ours.exit_code == 0, report(recipe, question, ours.stderr)
    if ours.stdout != theirs:
        pytest.fail(report(recipe, question, f"ours:\n{ours.stdout}\ntheirs:\n{theirs}"), pytrace=False)


ROUND_TRIPS = ["chain", "extended-l2-64k", "preallocation-metadata", "compressed-zlib", "backing-shorter"]


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_what_is_concluded_is_what_came_over_the_wire(name, work):
    """The proof of the round trip: computed here without a server, and over a real one from QEMU."""
    recipe = RECIPES[name]
    build(recipe, work)
    with contextlib.chdir(work), open_chain(recipe.image) as chain:
        trip = round_trip(merged(chain, 0, chain.size), wire_of(NBD_6_0))
    starts = run_starts(np.append(trip.start, chain.size), np.full(len(trip), NO_HOST), trip.concludes)
    with served(recipe, work) as uri, open_chain(uri, image_format="raw") as far:
        view = merged(far, 0, far.size)
        flags = HISTORIC.flags(view)
    assert far.size == chain.size
    assert view.extents.edges[:-1].tolist() == trip.start[starts].tolist()
    assert flags.tolist() == trip.concludes[starts].tolist()
    assert len(flags) > 1
