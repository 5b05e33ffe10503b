"""Shares and strips, drawn without an app."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.facts.codes import NO_HOST, Mapping, Storage, fact
from blockstrata.facts.extents import Extents
from blockstrata.guest.view import View
from blockstrata.semantics import SEMANTICS, by_name
from blockstrata_viewer.draw.density import density, draw_density
from blockstrata_viewer.draw.enlarged import draw_enlarged
from blockstrata_viewer.draw.layout import layout_of
from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.painter import draw_chain
from blockstrata_viewer.draw.palette import DARK, HALVES, MONO, TEXTURES
from blockstrata_viewer.draw.strips import LEFT, LOWER, Look, draw_strip, solid_cell
from blockstrata_viewer.model.columns import LEVELS, NO_BOUNDARY, Shown, columns_of, levels
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.shares import BLOCK, Shares
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.viewport import Viewport

NEW, OLD = by_name("proposed"), by_name("historic")


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 4)), max_size=300), st.data())
def test_shares_equal_a_count_of_bytes(runs, data):
    edges = np.concatenate([[0], np.cumsum([length for length, _ in runs], dtype=np.int64)]).astype(np.int64)
    classes = np.array([kind for _, kind in runs], np.uint8)
    bytewise = np.repeat(classes, [length for length, _ in runs])
    offsets = sorted(data.draw(st.lists(st.integers(0, int(edges[-1])), min_size=2, max_size=8)))
    found = Shares(edges, classes, 5).between(np.array(offsets, np.int64))
    for (start, end), row in zip(pairwise(offsets), found.tolist(), strict=True):
        assert row == np.bincount(bytewise[start:end], minlength=5).tolist()


@st.composite
def folded(draw):
    """Make the classes of bytes in runs, and of the same bytes where chunks stand for the runs of class 0."""
    runs = draw(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 3)), min_size=1, max_size=80))
    edges = np.cumsum([0, *(length for length, _ in runs)], dtype=np.int64)
    bytewise = np.repeat([kind for _, kind in runs], np.diff(edges))
    truth, folds = bytewise.copy(), []
    for start, end, kind in zip(edges.tolist(), edges[1:].tolist(), [kind for _, kind in runs], strict=False):
        if kind == 0 and draw(st.booleans()):
            truth[start:end] = draw(st.lists(st.integers(0, 3), min_size=end - start, max_size=end - start))
            inside = draw(st.sets(st.integers(start, end), max_size=3))
            folds.append(np.array(sorted({start, end, *inside}), np.int64))
    classes = np.array([kind for _, kind in runs], np.uint8)
    return edges, classes, truth, folds


def counted(bytewise, edges):
    """Return the bytes of each of four classes between neighbouring edges."""
    return [np.bincount(bytewise[start:end], minlength=4).tolist() for start, end in pairwise(edges)]


@given(folded(), st.integers(1, 30), st.integers(1, 300), st.integers(0, 40))
def test_columns_are_a_count_of_bytes_up_to_the_end(case, columns, cell, left):
    edges, classes, truth, folds = case
    shares = Shares(edges, classes, 4)
    size = int(edges[-1])
    viewport = Viewport(size, columns, cell, left)
    for bytewise in (np.repeat(classes, np.diff(edges)), truth):
        found = shares.columns(viewport)
        wanted = [min((left + column) * cell, size) for column in range(columns + 1)]
        assert found.edges.tolist() == wanted
        assert found.blocks.tolist() == [
            (np.searchsorted(edges[:-1], each, side="right") - 1) // BLOCK for each in wanted
        ]
        if folds and bytewise is truth:
            # a chunk that a cell's edge lies in is in the cell that has more of it
            wanted = [
                next((a if at - a < b - at else b for f in folds for a, b in pairwise(f) if a < at < b), at)
                for at in wanted
            ]
        assert found.amounts.tolist() == counted(bytewise, wanted)
        assert shares.between(found.edges).tolist() == counted(bytewise, wanted)
        assert shares.totals().tolist() == np.bincount(bytewise, minlength=4).tolist()
        amounts = [np.array(counted(truth, fold), np.int64) for fold in folds]
        shares = Shares(edges, classes, 4, list(zip(folds, amounts, strict=True)))


@given(
    st.lists(st.integers(0, 2**50), min_size=len(Paint), max_size=len(Paint)),
    st.integers(1, 3),
)
def test_levels_fill_the_cell_and_hide_nothing_that_has_room(amounts, rows):
    height = rows * LEVELS
    (given_levels,) = levels(np.array([amounts], np.int64), height).tolist()
    present = [amount > 0 for amount in amounts]
    if not any(present):
        assert given_levels == [0] * len(Paint)
        return
    assert sum(given_levels) == height
    assert all(level == 0 for level, there in zip(given_levels, present, strict=True) if not there)
    if sum(present) <= height:
        assert all(level > 0 for level, there in zip(given_levels, present, strict=True) if there)
    if sum(present) == 1:
        assert max(given_levels) == height


def plain_levels(amounts, height):
    """Return the levels of one column, one after the other."""
    total = sum(amounts)
    exact = [amount * (height / max(total, 1)) for amount in amounts]
    given = [max(int(each), int(amount > 0)) for each, amount in zip(exact, amounts, strict=True)]
    present = [paint for paint, amount in enumerate(amounts) if amount]
    if len(present) == 2:
        wanted = max(1, min(math.ceil(exact[present[0]] - 1e-9), height - 1))
        given[present[0]], given[present[1]] = wanted, height - wanted
    while total and sum(given) != height:
        if sum(given) < height:
            given[max(present, key=lambda paint: exact[paint] - given[paint])] += 1
        else:
            given[given.index(max(given))] -= 1
    return given


@given(
    st.lists(
        st.lists(st.integers(0, 2**50) | st.integers(0, 40), min_size=len(Paint), max_size=len(Paint)),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 3),
)
def test_levels_are_given_as_one_by_one(amounts, rows):
    height = rows * LEVELS
    expected = [plain_levels(column, height) for column in amounts]
    assert levels(np.array(amounts, np.int64), height).tolist() == expected


def plain_boundary(runs, start, end, cell):
    """Return eighths, left and right paint of a cell that is to be drawn upright, from all runs near it."""
    stretches = []
    for first, last, paint in runs:
        if stretches and stretches[-1][2] == paint:
            stretches[-1] = (stretches[-1][0], last, paint)
        else:
            stretches.append((first, last, paint))
    here = [(first, last, paint) for first, last, paint in stretches if first < end and last > start]
    if any(last - first < cell / 2 or paint == Paint.UNREAD for first, last, paint in here):
        return None
    paints = [paint for *_, paint in here]
    eighths = LEVELS / (end - start)
    if len(here) == 2:
        width = (here[0][1] - start) * eighths
    elif len(here) == 3 and paints[0] == paints[2]:
        first, last, _ = here[1]
        width = (last - first) * eighths
        if first - start <= end - last:
            paints = paints[1:]
        else:
            width = LEVELS - width
    else:
        return None
    return (math.ceil if paints[0] < paints[1] else math.floor)(width), paints[0], paints[1]


def plain_cells(pieces, upright, height, look):
    """Return the cells of a column from its runs, ``(start, end, paint)`` of each, the top row first."""
    palette = look.palette
    paints, text = palette.paints, palette.text
    amounts = [0] * len(Paint)
    for first, last, paint in pieces:
        amounts[paint] += last - first
    present = [paint for paint, amount in enumerate(amounts) if amount]
    if not present:
        return [(" ", Ink(text, palette.page))] * height
    if len(present) == 1:
        return [solid_cell(Paint(present[0]), palette)] * height
    if upright:
        eighths, left, right = upright
        if eighths in (0, LEVELS):
            return [solid_cell(Paint(left if eighths else right), palette)] * height
        cell = LEFT[eighths], Ink(paints[left], paints[right])
        if {left, right} <= {*TEXTURES, Paint.FALLS_THROUGH}:
            paint, part = (left, eighths) if left < right else (right, LEVELS - eighths)
            half = HALVES[paint][left > right], Ink(palette.inks[paint], paints[max(left, right)])
            cell = solid_cell(Paint(paint), palette) if part > 4 else half
        return [cell] * height
    stack = [
        paint for paint, level in enumerate(plain_levels(amounts, height * LEVELS)) for _ in range(level)
    ]
    rows = [stack[row * LEVELS : (row + 1) * LEVELS] for row in reversed(range(height))]
    return [plain_stack(row, look, alone=height == 1) for row in rows]


def plain_stack(stack, look, *, alone):
    """Return the cell of eight levels, of which the two largest shares are shown, of equals the lower."""
    palette = look.palette
    most = sorted(set(stack), key=lambda paint: (-stack.count(paint), paint))[:2]
    if len(most) == 1:
        return solid_cell(Paint(most[0]), palette)
    lower, upper = sorted(most)
    share = round(stack.count(lower) * LEVELS / (stack.count(lower) + stack.count(upper)))
    marks = TEXTURES.get(lower, LOWER)
    is_flat = alone and lower not in TEXTURES and upper in (Paint.ZERO, Paint.ZERO_AT_OFFSET)
    ground = palette.hollow_alone if is_flat else palette.paints[upper]
    return marks[max(1, min(share, 7))], Ink(palette.inks[lower], ground)


def scattered(disk):
    """Return a track of 500 runs of all the facts of a disk, one after the other and short beside long."""
    facts = np.unique(np.concatenate([track.view.extents.facts for track in disk.tracks]))
    rng = np.random.default_rng(2018)
    lengths = 512 << rng.integers(0, 14, 500)
    edges = np.concatenate([[0], np.cumsum(lengths)])
    extents = Extents(edges, rng.choice(facts, 500), np.full(500, NO_HOST, np.int64))
    source = np.zeros(500, np.int64)
    return Track(View(extents, source, source, disk.layers, in_place=True))


@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.parametrize("patterns", [False, True])
def test_cells_are_what_their_runs_make_them(demo_disk, height, patterns):
    """Every cell of a strip at every zoom, against one drawn from its runs alone."""
    track = scattered(demo_disk)
    look = Look(0, replace(DARK, patterned=patterns), letters=False)
    fit = Viewport(track.size, 40).fit()
    for semantics in SEMANTICS:
        paints = track.paints(semantics)[track.shares.classes].tolist()
        edges = track.view.extents.edges.tolist()
        runs = list(zip(edges, edges[1:], paints, strict=False))
        for cell in {fit.zoom(steps, 0).cell for steps in range(40)}:
            left = max(0, fit.cells(cell) - 40) // 3 * 2
            viewport = Viewport(track.size, 40, cell, left)
            rows = [Line(40, Ink(DARK.text, DARK.page)) for _ in range(height)]
            draw_strip(rows, track, viewport, semantics, look)
            for column in range(40):
                start = min((left + column) * cell, track.size)
                end = min(start + viewport.cell, track.size)
                pieces = [
                    (max(first, start), min(last, end), paint)
                    for first, last, paint in runs
                    if first < end and last > start
                ]
                # of more runs than that nobody asks where they are
                upright = 2 <= len(pieces) <= 9 and plain_boundary(runs, start, end, viewport.cell)
                expected = plain_cells(pieces, upright, height, look)
                assert [(row.glyph_at(column), row.ink_at(column)) for row in rows] == expected


def test_one_boundary_is_found_where_it_is(demo_disk):
    """Every split of the demo's strips, against the runs themselves."""
    for track in (demo_disk.guest, *demo_disk.tracks):
        viewport = Viewport(demo_disk.size, 64).fit()
        edges = track.view.extents.edges.tolist()
        for semantics in SEMANTICS:
            columns = columns_of(track, viewport, semantics)
            paints = track.paints(semantics)[track.shares.classes].tolist()
            runs = list(zip(edges, edges[1:], paints, strict=False))
            for column in range(viewport.columns):
                start = min((viewport.left + column) * viewport.cell, track.size)
                end = min(start + viewport.cell, track.size)
                found = (columns.split[column], columns.left[column], columns.right[column])
                wanted = plain_boundary(runs, start, end, viewport.cell) if start < end else None
                if found[0] != NO_BOUNDARY:
                    assert found == wanted
                elif wanted:
                    assert sum(first < end and last > start for first, last, _ in runs) > LEVELS


def track_of(disk, edges, facts):
    """Return a track of runs with facts, in a layer of a disk."""
    extents = Extents(np.array(edges, np.int64), np.array(facts, np.uint8), np.full(len(facts), NO_HOST))
    source = np.zeros(len(facts), np.int64)
    return Track(View(extents, source, source, disk.layers, in_place=True))


NONE, DATA = fact(Mapping.UNALLOCATED), fact(Mapping.NORMAL, Storage.DATA)
CELL = 64 * 512


def ink_of(rows, column):
    """Return how many eighths of a cell are in the colour of data, and whether they stand upright."""
    colour, total, upright = DARK.paints[Paint.DATA], 0, False
    for row in rows:
        glyph, ink = row.glyph_at(column), row.ink_at(column)
        marks = LEFT if glyph in LEFT else LOWER
        upright |= glyph in LEFT[1:-1]
        total += LEVELS if ink.bg == colour and glyph == " " else 0
        if glyph != " " and colour in ink[:2]:
            total += marks.index(glyph) if ink.fg == colour else LEVELS - marks.index(glyph)
    return total, upright


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("sectors", [1, 7, 16, 25, 31, 32, 40, 57, 63, 64, 72, 100, 128])
def test_writes_of_one_length_look_alike_in_forty_layers(demo_disk, sectors, rows):
    """Wherever it falls on the grid of cells, a write has as much ink, and stands as all of its length do."""
    looks = []
    for layer in range(40):
        start = 2 * CELL + (layer * 64 // 40 + layer % 3) * 512
        edges = [0, start, start + sectors * 512, 8 * CELL]
        track = track_of(demo_disk, edges, [NONE, DATA, NONE])
        cells = [ink_of(draw(track, Viewport(8 * CELL, 8).fit(), NEW, rows), column) for column in range(8)]
        looks.append((sum(ink for ink, _ in cells), any(upright for _, upright in cells)))
    inks = [ink for ink, _ in looks]
    # one level of a strip is an eighth of a row; upright it is an eighth of a cell's width in each row
    level = rows if sectors >= 32 else 1
    assert max(inks) - min(inks) <= level
    assert min(inks) * 8 >= sectors * rows
    if sectors < 32:
        assert not any(upright for _, upright in looks)
    if sectors == 64:
        assert set(inks) == {8 * rows, 9 * rows} or set(inks) == {8 * rows}


def test_gaps_are_drawn_by_the_same_rule(demo_disk):
    """A gap of a quarter of a cell in data is a notch on top wherever it is, never a line through."""
    for layer in range(40):
        start = 2 * CELL + (layer * 64 // 40) * 512
        track = track_of(demo_disk, [0, start, start + 16 * 512, 8 * CELL], [DATA, NONE, DATA])
        rows = draw(track, Viewport(8 * CELL, 8).fit(), NEW, 4)
        inks = [ink_of(rows, column) for column in range(8)]
        assert not any(upright for _, upright in inks)
        assert 8 * 8 * 4 - sum(ink for ink, _ in inks) in (7, 8)


def draw(track, viewport, semantics, rows=1, palette=DARK, **look):
    lines = [Line(viewport.columns, Ink("#ffffff", DARK.page)) for _ in range(rows)]
    draw_strip(lines, track, viewport, semantics, Look(0, palette, **look))
    return lines


def test_every_extent_leaves_a_mark(demo_disk):
    """A cell that holds anything but falling through never looks like the empty track."""
    viewport = Viewport(demo_disk.size, 64).fit()
    for track in demo_disk.tracks:
        (line,) = draw(track, viewport, NEW)
        columns = columns_of(track, viewport, NEW)
        for column, amounts in enumerate(columns.amounts):
            held = amounts.sum() - amounts[Paint.FALLS_THROUGH]
            plain = line.glyph_at(column) == " " and line.ink_at(column).bg == DARK.track
            assert plain == (amounts[Paint.FALLS_THROUGH] > 0 and held == 0)


def test_letters_keep_off_the_drill(demo_disk):
    track = demo_disk.tracks[0]
    viewport = Viewport(demo_disk.size, 128).fit()
    for drill in range(viewport.columns):
        (line,) = draw(track, viewport, NEW, drill=drill)
        assert line.glyph_at(drill) not in "LZAO"


def test_toggling_recolours_the_same_facts(demo_disk):
    """Allocated zeroes over a hole: today's letters give them an offset, the proposal says hole."""
    track = demo_disk.tracks[0]
    before = {state.letters for state in track.states(OLD)}
    after = {state.letters for state in track.states(NEW)}
    assert {"D·O", "D··", "·Z·", "·ZO", "··O", "···"} <= before
    assert {"L·AO", "L·A·", "LZ··", "LZ·O", "LZA·", "··AO", "····"} <= after


def test_without_colour_data_has_its_height_and_the_rest_its_texture(demo_disk):
    (line,) = draw(demo_disk.tracks[2], Viewport(demo_disk.size, 64).fit(), NEW, palette=MONO)
    text = line.text()
    assert set(text) <= {*LOWER, "⢕"}
    assert set(text) > {"⢕", "▁", " "}
    assert text.rstrip() == text[:48]  # the base ends there; past it there is no track


def test_differences_cover_what_means_the_same(demo_disk):
    """What is left are the runs whose old answer, read letter by letter, is not the new one."""
    track = demo_disk.tracks[0]
    viewport = Viewport(demo_disk.size, 128).fit()
    (line,) = draw(track, viewport, NEW, differences=True, letters=False)
    shares = track.shares.between(np.arange(129, dtype=np.int64) * viewport.cell)
    for column in range(128):
        is_empty = line.ink_at(column).bg == DARK.track and line.glyph_at(column) == " "
        assert is_empty == (not shares[column][track.differing].any())


def test_one_state_alone_or_none_of_it(demo_disk):
    """Isolated, a state is all that is drawn; hidden, it is what is not; the rest is the empty track."""
    track, viewport = demo_disk.tracks[1], Viewport(demo_disk.size, 128).fit()
    whole = columns_of(track, viewport, NEW).amounts
    alone = columns_of(track, viewport, NEW, Shown("LZ·O"))
    without = columns_of(track, viewport, NEW, Shown(hidden=frozenset({"LZ·O", "L·AO"})))
    assert whole[:, Paint.ZERO_AT_OFFSET].any()
    assert (alone.amounts[:, Paint.ZERO_AT_OFFSET] == whole[:, Paint.ZERO_AT_OFFSET]).all()
    assert not alone.amounts[:, : Paint.ZERO].any()
    assert not without.amounts[:, [Paint.ZERO_AT_OFFSET, Paint.DATA]].any()
    assert (without.amounts[:, Paint.NO_OFFSET] == whole[:, Paint.NO_OFFSET]).all()
    assert (without.amounts.sum(axis=1) == whole.sum(axis=1)).all()
    assert set(alone.letters) <= {"", "LZ·O"}
    (line,) = draw(track, viewport, NEW, shown=Shown("L·A·"))
    grounds = {line.ink_at(x).bg for x in range(128) if line.glyph_at(x) == " "}
    assert grounds <= {DARK.paints[Paint.NO_OFFSET], DARK.track, DARK.page}
    (again,) = draw(track, viewport, NEW)
    assert again.text() != line.text()


def test_reserved_stands_as_tall_as_its_share(demo_disk):
    """The edge of what is deferred, but reserved, is never lower in the whole of a cell than in a part."""
    reserved = fact(Mapping.UNALLOCATED_ALLOC, Storage.DATA)
    heights = []
    for eighths in range(1, 9):
        # two stretches, so that they are drawn as shares
        runs = [NONE, reserved, NONE, reserved]
        edges = np.array([0, 8 - eighths, 8, 16 - eighths, 16]) * (CELL // 16)
        track = track_of(demo_disk, np.unique(edges), runs if eighths < 8 else [reserved, reserved])
        rows = draw(track, Viewport(CELL, 1, CELL), NEW, 4)
        heights.append(sum((0, *(1, 2, 3, 4))[" ⡀⡄⡆⡇".index(row.glyph_at(0))] for row in rows))
        hues = {row.ink_at(0).fg for row in rows if row.glyph_at(0) != " "}
        assert hues == {DARK.inks[Paint.DEFERRED_RESERVED]}
    assert heights == [2, 4, 6, 8, 10, 12, 14, 16]


def test_letters_stand_in_the_middle_row_of_a_tall_strip(demo_disk):
    track = track_of(demo_disk, [0, 8 * CELL], [fact(Mapping.ZERO_PLAIN)])
    rows = draw(track, Viewport(8 * CELL, 8).fit(), NEW, 7)
    assert ["LZ" in row.text() for row in rows] == [False, False, False, True, False, False, False]
    assert rows[3].text() == "╌ LZ·· ╌"
    assert rows[3].ink_at(3).bg == DARK.hollow


def test_density_doubles_an_eighth_at_a_time(demo_disk):
    """Counted extent by extent; a cell of one extent has no ribbon, and the drawing hangs from above."""
    counts = [1, 2, 3, 4, 5, 8, 9, 64, 65, 128, 129, 400]
    edges = [
        column * CELL + CELL * nth // count for column, count in enumerate(counts) for nth in range(count)
    ]
    track = track_of(demo_disk, [*edges, len(counts) * CELL], [NONE, DATA] * (sum(counts) // 2))
    viewport = Viewport(len(counts) * CELL, len(counts)).fit()
    found = density(track, viewport).tolist()
    assert found == [math.ceil(math.log2(count)) if count <= 128 else 8 for count in counts]
    row = Line(len(counts), Ink(DARK.text, DARK.page))
    assert draw_density(row, 0, track, viewport, DARK)
    assert [LOWER.index(glyph) for glyph in row.text()] == [8 - level if level else 0 for level in found]
    draw_density(row, 0, track, viewport, MONO)
    assert row.text()[1:] == "".join(map(str, found[1:])), "without colours in digits"


def test_scattered_writes_do_not_look_like_a_hairline(demo_disk):
    """3,000 writes of 4 KiB in 1 TiB: a level of data in each cell, and a ribbon that says how many."""
    rng = np.random.default_rng(4096)
    at = np.sort(rng.choice(2**40 // 4096 // 2, 3000, replace=False)) * 8192
    edges = np.unique(np.concatenate([[0, 2**40], at, at + 4096]))
    facts = np.where(np.isin(edges[:-1], at), DATA, fact(Mapping.ZERO_PLAIN))
    track = track_of(demo_disk, edges, facts)
    found = density(track, Viewport(2**40, 94).fit())
    assert found.min() >= 5
    assert len(set(found.tolist())) > 1


def test_the_drill_s_cell_is_enlarged_where_it_holds_several_states(demo_disk):
    """From left to right what lies in it, the drill on what the core sample says."""
    track = track_of(demo_disk, [0, CELL // 2, CELL * 3 // 4, 3 * CELL], [NONE, DATA, NONE])
    viewport = Viewport(3 * CELL, 3).fit()

    def enlarged(cursor):
        row = Line(18, Ink(DARK.text, DARK.page))
        return draw_enlarged(row, 0, 18, track, viewport, cursor, NEW, Look(0, DARK)), row

    is_drawn, row = enlarged(CELL // 2)
    assert is_drawn
    assert row.text() == "▕" + " " * 8 + "│" + " " * 7 + "▏"
    grounds = [row.ink_at(x).bg for x in range(1, 17)]
    assert grounds == [DARK.track] * 8 + [DARK.paints[Paint.DATA]] * 4 + [DARK.track] * 4
    is_drawn, row = enlarged(2 * CELL)
    assert not is_drawn
    assert row.text() == " " * 18


def test_patterns_add_ink_to_solid_cells(demo_disk):
    viewport = Viewport(demo_disk.size, 128).fit()
    (plain,) = draw(demo_disk.tracks[1], viewport, NEW, letters=False)
    (inked,) = draw(demo_disk.tracks[1], viewport, NEW, palette=replace(DARK, patterned=True), letters=False)
    assert "╱" in inked.text()
    assert "╱" not in plain.text()
    assert [plain.ink_at(x).bg for x in range(128)] == [inked.ink_at(x).bg for x in range(128)]


def test_one_state_alone_is_so_in_every_strip_and_in_the_overview(demo_disk):
    scene = Scene(demo_disk, Viewport(demo_disk.size, 94).fit(), NEW).isolate("L·A·")
    rows = draw_chain(scene, layout_of(scene, 120, 30))
    colours = {ink for row in rows for x in range(30, 120) for ink in row.ink_at(x)[:2]}
    assert DARK.paints[Paint.NO_OFFSET] in colours
    assert not colours & {DARK.paints[Paint.DATA], DARK.hollow, DARK.paints[Paint.RESERVED_NOWHERE]}
