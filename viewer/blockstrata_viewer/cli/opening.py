"""The options that say how images are opened."""

from __future__ import annotations

import functools
from typing import Any

import click

from blockstrata.access import Access, Consent, Probe
from blockstrata_viewer.cli.types import Seconds
from blockstrata_viewer.model.opening import Opening

__all__ = ["Opening", "opening_options"]


def opening_options(command: Any) -> Any:
    """Add the options that say how images are opened; the command gets them as one ``opening``."""

    @functools.wraps(command)
    def with_opening(
        *args: Any,
        image_format: str | None,
        image_opts: bool,
        snapshot: str | None,
        storage: str,
        timeout: float,
        via_qemu: bool,
        follow_remote: bool,
        **rest: Any,
    ) -> Any:
        given = {Consent.VIA_QEMU: via_qemu, Consent.FOLLOW_REMOTE: follow_remote}
        consents = frozenset(consent for consent, is_given in given.items() if is_given)
        access = Access(Probe(storage), consents, timeout=timeout)
        if image_opts and image_format is not None:
            raise click.UsageError("--image-opts states the format itself, so -f cannot be used with it")
        return command(*args, opening=Opening(access, image_format, image_opts, snapshot), **rest)

    for option in (
        click.option(
            Consent.FOLLOW_REMOTE.value, is_flag=True, help="Open servers and devices that an image names."
        ),
        click.option(Consent.VIA_QEMU.value, is_flag=True, help="Ask qemu-img about other formats."),
        click.option(
            "--timeout",
            type=Seconds(min=0, min_open=True, max=86400),
            default=Access().timeout,
            metavar="SECONDS",
            help="How long one answer of a server may take, or one run of qemu-img.",
        ),
        click.option(
            "--storage",
            type=click.Choice([Probe.SEEK.value, Probe.FIEMAP.value]),
            default=Probe.SEEK.value,
            help="How to ask files for their storage; fiemap tells reserved space from holes, and reflinks.",
        ),
        click.option("--snapshot", metavar="NAME|ID", help="An internal snapshot, not the active state."),
        click.option("--image-opts", is_flag=True, help="IMAGE is a list of options, as qemu-img takes it."),
        click.option("-f", "image_format", metavar="FORMAT", help="The image's format; probed if not given."),
    ):
        with_opening = option(with_opening)
    return with_opening
