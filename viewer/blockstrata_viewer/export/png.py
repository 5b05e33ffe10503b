"""A screen as PNG: the SVG drawn with the fonts that are shipped here, and with no others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import resvg_py

_FONTS: Final = Path(__file__).parent.parent / "fonts"
_FAMILY: Final = "DejaVu Sans Mono"
SCALE: Final = 2
"""Pixels a unit."""


def png(picture: str) -> bytes:
    """Return an SVG of :func:`blockstrata_viewer.export.svg.svg` as PNG, :data:`SCALE` pixels a unit."""
    return resvg_py.svg_to_bytes(
        svg_string=picture,
        zoom=SCALE,
        skip_system_fonts=True,
        font_files=[str(_FONTS / "DejaVuSansMono.ttf"), str(_FONTS / "DejaVuSansMono-Bold.ttf")],
        font_family=_FAMILY,
        monospace_family=_FAMILY,
    )
