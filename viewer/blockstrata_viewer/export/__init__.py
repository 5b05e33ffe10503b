"""Screens as files: pictures, a page, plain text.  The same screen gives the same bytes, always."""

from __future__ import annotations

from blockstrata_viewer.export.moving import Moment, moving_svg
from blockstrata_viewer.export.screen import Cell, Screen
from blockstrata_viewer.export.write import (
    FORMATS,
    ExportError,
    format_of,
    render,
    write_picture,
    write_screenshot,
)

__all__ = [
    "FORMATS",
    "Cell",
    "ExportError",
    "Moment",
    "Screen",
    "format_of",
    "moving_svg",
    "render",
    "write_picture",
    "write_screenshot",
]
