"""What states are called, and that the filter of the table takes each of these words."""

from __future__ import annotations

from itertools import product

import numpy as np

from blockstrata.facts.codes import Mapping, Storage, Traits, fact
from blockstrata.facts.extents import Extents
from blockstrata.guest.view import View
from blockstrata.semantics import SWITCH
from blockstrata.semantics.nbd import WIRES
from blockstrata_viewer.model.extent_filter import parse_filter
from blockstrata_viewer.model.round_trip import RoundTripTracks, kind_of
from blockstrata_viewer.model.states import short_words, state_of, state_of_flags, words_in
from blockstrata_viewer.model.track import Track


def test_the_filter_takes_what_states_are_called_and_no_other_word(demo_disk):
    codes = [fact(mapping, storage) for mapping, storage in product(Mapping, Storage)]
    layers = [
        Traits("file"),
        Traits("file", encrypted=True),
        Traits("file", recurse=True),
    ]
    states = [
        state_of(semantics, code, traits, settled=settled)
        for semantics, code, traits, settled in product(SWITCH, codes, layers, (False, True))
    ]
    rows = [(semantics, row.flags) for semantics in SWITCH for row in semantics.protocol_rows]
    states += [state_of_flags(semantics, flags, is_protocol=True) for semantics, flags in rows]
    storages = [fact(Mapping.PASSTHROUGH, storage) for storage in Storage]
    of_files = product(SWITCH, storages, [Traits("file", is_protocol=True)])
    states += [state_of(*each, settled=False) for each in of_files]
    edges = np.arange(len(codes) + 1, dtype=np.int64)
    extents = Extents(edges, np.array(codes, np.uint8), np.full(len(codes), -1, np.int64))
    source = np.zeros(len(codes), np.uint16)
    *_, difference = RoundTripTracks(Track(View(extents, source, source, demo_disk.layers)), "").tracks()
    states += [state for wire in WIRES for state in difference.states(wire.server)]
    # no mapping of today loses a flag, but a difference may be called so
    texts = [*(state.short for state in states), kind_of("-data"), kind_of("+zero -data")]
    said = {word for text in texts for word in words_in(text)}
    assert {"compressed", "encrypted", "kept", "gained", "lost", "changed"} <= said
    assert said == short_words()
    assert [parse_filter(f"state:{word}").text for word in said] == [f"state:{word}" for word in said]
