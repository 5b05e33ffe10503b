"""How the images of a command line are opened and kept: what its options say, for every image alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from blockstrata.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable

    from blockstrata.access import Consent
    from blockstrata.graph.chain import Chain

MEMORY: Final = 1 << 30
"""Bytes, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The parameters of :func:`blockstrata.graph.chain.open_chain` but the image.

    ``memory``: about how many bytes what is read of an image may take in the viewer.
    """

    access: Access = field(default_factory=Access)
    image_format: str | None = None
    image_opts: bool = False
    snapshot: str | None = None
    memory: int = MEMORY

    def open(self, image: str) -> Chain:
        """Open an image; numpy comes in here."""
        from blockstrata.graph.chain import open_chain  # noqa: PLC0415

        return open_chain(
            image,
            self.access,
            image_format=self.image_format,
            image_opts=self.image_opts,
            snapshot=self.snapshot,
        )

    def allowing(self, consent: Consent) -> Opening:
        """Return the same with one consent more."""
        return replace(self, access=self.access.allowing(consent))

    def until(self, is_cancelled: Callable[[], bool]) -> Opening:
        """Return the same, given up once somebody says so."""
        return replace(self, access=replace(self.access, is_cancelled=is_cancelled))
