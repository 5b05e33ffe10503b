"""What colours, textures and marks of the strips mean, for the help."""

from __future__ import annotations

from typing import Final

from blockstrata_viewer.model.states import Paint

LOOKS: Final[tuple[tuple[Paint, str], ...]] = (
    (Paint.DATA, "data, stored at an offset in a file"),
    (Paint.NO_OFFSET, "data without an offset: compressed, or encrypted"),
    (Paint.RESERVED, "reads as zero, and space is reserved for it"),
    (Paint.RESERVED_NOWHERE, "reads as zero, space is reserved, but at no known offset"),
    (Paint.TABLES, "of a file: the image's own tables"),
    (Paint.SNAPSHOT, "of a file: what only snapshots use"),
    (Paint.BITMAP, "of a file: dirty bitmaps"),
    (Paint.SHARED, "of a file: data that the disk and a snapshot use"),
    (Paint.SUSPICIOUS, "the table calls it a bug"),
    (Paint.ZERO, "reads as zero; nothing is stored"),
    (Paint.ZERO_AT_OFFSET, "reads as zero; a hole or unknown content at its offset"),
    (Paint.DEFERRED_RESERVED, "read from the layer below, but space is reserved here"),
    (Paint.FALLS_THROUGH, "an empty track: read from the layer below"),
    (Paint.INVALID, "corrupt, past the file's end, or a layer that cannot be opened"),
    (Paint.UNREAD, "not read yet"),
)
"""Solid is what is stored, textures are hollow, an empty track is nothing at all."""

MARKS: Final[tuple[tuple[str, str], ...]] = (
    ("▄", "a cell with several states: their shares, stored ones at the bottom"),
    ("▌", "where one state ends and the next begins, if both are half a cell or longer"),
    ("▕▏", "the cell under the drill, enlarged: its contents from left to right"),
    ("▀", "density under the selected layer: extents per cell, an eighth for each doubling"),
    ("╰╯", "the selected extent"),
)
