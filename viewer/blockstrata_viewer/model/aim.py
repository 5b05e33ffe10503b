"""Where a view opens: the cursor, how close, which layer; and the command line that says so."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blockstrata.access import Access
from blockstrata.errors import BadRangeError
from blockstrata_viewer.model.opening import MEMORY, Opening

if TYPE_CHECKING:
    # numpy would come with it
    from collections.abc import Sequence

    from blockstrata_viewer.model.scene import Scene

_GUEST = -1


@dataclass(frozen=True, slots=True)
class Aim:
    """A place that a command line names.

    ``at``: guest byte of the cursor; ``cell``: bytes a cell at the most, None for the whole disk; ``layer``:
    the selected layer's depth, -1 for what the guest sees; ``start``: a guest byte of the first cell in view,
    None where that follows from the others.
    """

    at: int = 0
    cell: int | None = None
    layer: int = 0
    start: int | None = None

    def of(self, scene: Scene, image: str) -> Scene:
        """Return a scene there; ``BadRangeError`` if the disk does not reach so far, or has no such layer."""
        size = scene.disk.size
        if self.layer != _GUEST:
            scene.disk.chain.layer(self.layer)
        for offset in (self.at, self.start or 0):
            if not 0 <= offset < max(1, size):
                raise BadRangeError(image, "offset", f"{offset} is not on the disk of {size} bytes")
        scene = scene.select(self.layer).go_to(self.at)
        scene = scene.closer(self.cell) if self.cell else scene
        return scene if self.start is None else scene.pan(scene.viewport.column_of(self.start))

    def words(self) -> list[str]:
        """Return the options that say so."""
        cell, start = self.cell, self.start
        return [
            *("--at", f"{self.at:#x}"),
            *(("--zoom", str(cell)) if cell else ()),
            *(("--from", f"{start:#x}") if start is not None else ()),
            *("--layer", "guest" if self.layer == _GUEST else str(self.layer)),
        ]


def aim_of(scene: Scene) -> Aim:
    """Return what leads to the place of a scene, from the whole disk in a window as wide."""
    scene = scene.chain_scene
    viewport = scene.viewport
    whole = replace(scene, viewport=viewport.fit(), cursor=0, selected=0)
    aim = Aim(scene.cursor, None if viewport == viewport.fit() else viewport.cell, scene.selected)
    there = aim.of(whole, "").viewport
    return aim if there == viewport else replace(aim, start=viewport.start)


def view_command(image: str, opening: Opening, scene: Scene, said: Sequence[str] = ()) -> str:
    """Return the command that opens an image where a scene is, quoted for a shell.

    ``said`` are the words that lead to the image where its name does not, as in ``demo staircase``.
    """
    words = [*image_words(image, opening), *opening_words(opening)]
    if said:
        words = [*said, *opening_words(Opening(memory=opening.memory))]
    words += aim_of(scene).words()
    words += ["--semantics", scene.chain_scene.semantics.name, "--theme", scene.theme]
    return quoted("blockstrata", *words)


def left_out(opening: Opening, scene: Scene, said: Sequence[str] = ()) -> str:
    """Return what of a scene :func:`view_command` does not lead to, in words that name the keys."""
    beyond = {
        "how files are asked (w)": said and opening.access.probe is not Access().probe,
        "the round trip (r)": scene.disk.round_trip is not None,
        "the file's own axis (v)": scene.entered_from is not None and scene.disk.round_trip is None,
        "markers": scene.markers,
        "folded layers (c)": scene.chain_scene.folded,
        "patterns (x)": scene.patterns,
        "differences only (D)": scene.differences,
        "states isolated or hidden": scene.isolated or scene.hidden,
    }
    return ", ".join(words for words, is_so in beyond.items() if is_so)


def quoted(*words: str) -> str:
    """Return words as a shell reads them, in printable characters.

    A word that has others is written byte by byte, as the file system has it, for bash, ksh and zsh.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    plain = {byte: chr(byte) for byte in range(0x20, 0x7F) if byte not in b"\\'"}
    # three octal digits end by themselves, whatever follows; of hexadecimal ones shells take two or more
    return f"$'{''.join(plain.get(byte, f'{chr(92)}{byte:03o}') for byte in os.fsencode(word))}'"


def image_words(image: str, opening: Opening) -> list[str]:
    """Return what names an image where a command could be meant, or an option."""
    is_plain = not opening.image_opts and (re.fullmatch("[a-z][a-z-]*", image) or image.startswith("-"))
    return [f"./{image}" if is_plain else image]


def opening_words(opening: Opening) -> list[str]:
    """Return the options of the command line that say how an image is opened, as far as they are needed."""
    access, usual = opening.access, Access()
    return [
        *(("-f", opening.image_format) if opening.image_format is not None else ()),
        *(("--image-opts",) if opening.image_opts else ()),
        *(("--snapshot", opening.snapshot) if opening.snapshot is not None else ()),
        *(("--storage", access.probe.value) if access.probe is not usual.probe else ()),
        *(("--timeout", f"{access.timeout:g}") if access.timeout != usual.timeout else ()),
        *sorted(consent.value for consent in access.consents),
        *(("--memory", str(opening.memory)) if opening.memory != MEMORY else ()),
    ]
