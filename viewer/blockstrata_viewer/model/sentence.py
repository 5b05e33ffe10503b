"""What lies under the cursor, as one would say it: who answers the guest, and with what."""

from __future__ import annotations

from typing import NamedTuple

from blockstrata.facts.codes import DEFERRING, SYNTHESISED, Mapping, Storage, is_lost, mapping_of, storage_of
from blockstrata.semantics.proposed import PROPOSED, Flag
from blockstrata_viewer.model.scene import GUEST, Scene

_STORED = {
    Storage.DATA: "This file holds data here.",
    Storage.SHARED: "This file holds data here, and shares it with another file.",
    Storage.HOLE: "This file has a hole here.",
    Storage.UNWRITTEN: "This file has space reserved here, but nothing was written to it.",
    Storage.BEYOND_EOF: "This file ends here.",
}


class Sentence(NamedTuple):
    """What the guest reads: words, the name of the layer that it is from, and the end of the sentence.

    ``lead`` says before that what the selected layer has to do with it; it may be left out.
    """

    lead: str = ""
    words: str = ""
    name: str = ""
    end: str = ""


def sentence_of(scene: Scene) -> Sentence:
    """Return what the guest reads at the cursor, or what a file holds there; nothing on a round trip."""
    disk, run = scene.disk, scene.run
    answering = disk.guest.run_at(scene.cursor)
    if disk.round_trip or answering is None:
        return Sentence()
    view = disk.guest.view
    code, answers = int(view.extents.facts[answering]), int(view.source[answering])
    mapping = mapping_of(code)
    if disk.is_file:
        code = int(disk.tracks[0].view.extents.facts[disk.tracks[0].run_at(scene.cursor) or 0])
        return Sentence("", _STORED.get(storage_of(code), ""))
    if mapping is Mapping.UNREAD:
        return Sentence("", "This is not read yet.")
    own = None if run is None else mapping_of(int(scene.track.view.extents.facts[run]))
    lead = _lead(own, scene.selected, answers)
    if own in DEFERRING and answers != scene.selected and _is_lost(scene, run):
        lead = "The table of this layer that maps this is past its file's end. "
    name = "this layer" if scene.selected == answers else scene.name_of(answers)
    if mapping is Mapping.INVALID:
        return Sentence(lead, "This cannot be read from ", name, ".")
    if is_lost(code):
        return _lost(lead, mapping, is_encrypted=view.layers[answers].node.is_encrypted)
    if code & SYNTHESISED:
        return Sentence("No layer below reaches here. ", "The guest reads zeroes.")
    flags = int(PROPOSED.table(view.layers[answers].node.read_traits())[code])
    return Sentence(lead, f"The guest reads {'zeroes' if flags & Flag.ZERO else 'data'} from ", name, ".")


def _is_lost(scene: Scene, run: int | None) -> bool:
    return run is not None and is_lost(int(scene.track.view.extents.facts[run]))


def _lost(lead: str, mapping: Mapping, *, is_encrypted: bool) -> Sentence:
    """Return what the guest reads of what lies past a file's end, in 40 cells and what may be left out."""
    if mapping in DEFERRING:
        return Sentence(lead, "Table past the file's end: reads zeroes.")
    if mapping is Mapping.COMPRESSED:
        return Sentence(lead, "Past the file's end: reading it fails.")
    return Sentence(lead, f"Past the file's end: reads as {'garbage' if is_encrypted else 'zeroes'}.")


def _lead(own: Mapping | None, selected: int, answers: int) -> str:
    if selected in (GUEST, answers):
        return ""
    if own is None:
        return "This layer ends before here. "
    if own is Mapping.UNALLOCATED_ALLOC:
        return "This layer only reserves space here. "
    if own in DEFERRING:
        return "This layer holds nothing here. "
    return "A layer above hides this one here. "
