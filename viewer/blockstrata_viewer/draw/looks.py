"""What colours, textures and marks of the strips mean, for the help."""

from __future__ import annotations

from typing import Final

from blockstrata_viewer.model.states import Paint

LOOKS: Final[tuple[tuple[Paint, str], ...]] = (
    (Paint.DATA, "data, stored at an offset of a file"),
    (Paint.NO_OFFSET, "data without an offset: compressed, or encrypted"),
    (Paint.RESERVED, "reads as zero, and space is reserved for it"),
    (Paint.RESERVED_NOWHERE, "reads as zero, space is reserved, but at no known offset"),
    (Paint.SUSPICIOUS, "the table calls it a bug"),
    (Paint.ZERO, "reads as zero; nothing is stored"),
    (Paint.ZERO_AT_OFFSET, "reads as zero; at its offset there is a hole, or unknown content"),
    (Paint.DEFERRED_RESERVED, "left to the layer below, but space is reserved here"),
    (Paint.FALLS_THROUGH, "an empty track: left to the layer below"),
    (Paint.INVALID, "corrupt, or a layer that cannot be opened"),
    (Paint.UNREAD, "not read yet"),
)
"""Solid is what is stored, textures are hollow, an empty track is nothing at all."""

MARKS: Final[tuple[tuple[str, str], ...]] = (
    ("▄", "a cell of several states: their shares, what is stored at the bottom"),
    ("▌", "where one state ends and the next begins, if both are half a cell or longer"),
    ("▕▏", "the cell under the drill, enlarged: what lies in it from left to right"),
    ("▀", "density: extents a cell, an eighth for each doubling, under the selected layer"),
    ("╰╯", "the selected extent"),
)
