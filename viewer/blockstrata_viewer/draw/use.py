"""What the byte under the cursor of a file is for, and who uses it."""

from __future__ import annotations

from blockstrata.facts.codes import storage_words
from blockstrata.questions.anatomy import HostRun
from blockstrata.text.printable import printable
from blockstrata_viewer.draw.extent import Pen
from blockstrata_viewer.draw.lines import shorten
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.uses import UseTrack


def draw_use(pen: Pen, scene: Scene, uses: UseTrack, *, is_tall: bool) -> None:
    """Write it into rows; ``is_tall``: there are rows for each of start, end and length."""
    palette, host = pen.palette, min(scene.cursor, uses.runs.edges[-1].item() - 1)
    run = uses.run_at(host)
    if run is None:
        pen.line(("USED FOR  ", palette.accent, True), ("0 bytes", palette.text, True))
        return
    used, state = uses.use_at(host), uses.state_at(run, scene.semantics)
    nth = (f"  extent {run + 1:,} of {uses.count:,}", palette.dim, False)
    pen.line(("USED FOR  ", palette.accent, True), (state.short, palette.text, True), nth)
    pen.state(state, "", "", in_force=True)
    span = (used.host, used.host + used.length)
    if is_tall:
        pen.span(("start", "end"), span)
    else:
        pen.short_span(span)
    for name, value, more in users_of(used, uses.guest_at(host)):
        room = max(8, pen.end - pen.x - 10 - len(more))
        pen.field(name, shorten(value, room), more)
    pen.field("storage", storage_words(int(uses.view.extents.facts[run])))
    pen.line(("enter: all users · v: back to the guest", palette.dim, False))


def users_of(used: HostRun, guest: int | None) -> list[tuple[str, str, str]]:
    """Return who uses a run, if anybody: what each is, its name, and what else there is to say."""
    found = []
    if guest is not None:
        what = "first that it maps" if used.index is not None else ""
        what = "first of several" if used.use == "compressed" else what
        found.append(("guest", f"{guest:#x}", what))
    if used.snapshot is not None:
        found.append(("of", f"snapshot {printable(used.snapshot)}", ""))
    if used.bitmap is not None:
        found.append(("of", f"bitmap {printable(used.bitmap)}", ""))
    if used.index is not None:
        table = "refcount" if guest is None else "L1"
        found.append(("entry", f"{used.index:,}", f"of the {table} table"))
    return found
