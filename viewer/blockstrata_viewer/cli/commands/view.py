"""``blockstrata view``, or an image alone."""

from typing import Any

import click

from blockstrata_viewer.cli.opening import Opening, opening_options
from blockstrata_viewer.cli.viewing import place_options, view_images, view_options


@click.command("view")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@opening_options
@place_options
@view_options
def command(images: tuple[str, ...], opening: Opening, **shown: Any) -> None:
    """Open the viewer on images and their backing chains; tab goes to the next image."""
    view_images(images, opening, **shown)
