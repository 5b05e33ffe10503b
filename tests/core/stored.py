"""A host node for what reads headers and tables: some bytes, and zeroes around them."""

from __future__ import annotations


class Stored:
    """A file of which some bytes are stored, and all others are zeroes."""

    name = "x.qcow2"

    def __init__(self, pieces: dict[int, bytes]) -> None:
        self.pieces = pieces

    def read(self, offset: int, length: int) -> bytes:
        found = bytearray(length)
        for at, piece in self.pieces.items():
            first, last = max(at, offset), min(at + len(piece), offset + length)
            if first < last:
                found[first - offset : last - offset] = piece[first - at : last - at]
        return bytes(found)
