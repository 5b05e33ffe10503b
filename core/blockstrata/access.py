"""How images are opened, and what the user allows while they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum


class Probe(Enum):
    """How a file is asked where its storage is."""

    SEEK = "seek"
    """SEEK_DATA and SEEK_HOLE, as QEMU asks.  Never answers UNWRITTEN."""
    FIEMAP = "fiemap"
    """The FIEMAP ioctl of Linux.  Tells reserved space from holes; where it is not to be had, SEEK is."""
    NONE = "none"
    """Not at all: storage is OPAQUE.  For when only headers are wanted."""


class Consent(Enum):
    """What is done only if the user says so; the value is the command line's option."""

    VIA_QEMU = "--via-qemu"
    """Run qemu-img for an image of a format or protocol that is not read here."""
    FOLLOW_REMOTE = "--follow-remote"
    """Open what an image, not the user, names on a network or among the devices."""


@dataclass(frozen=True, slots=True)
class Access:
    """The ways and bounds of opening images."""

    probe: Probe = Probe.SEEK
    consents: frozenset[Consent] = frozenset()
    is_cancelled: Callable[[], bool] = field(default=lambda: False, compare=False)
    """Asked while another program's answer is waited for: whether nobody wants it any more."""
    timeout: float = 30.0
    """Seconds that an answer of a server may take, its whole handshake, or a run of qemu-img."""
    shows_headers: bool = False
    """An image that cannot be opened is opened for what its header says; its node's ``refusal`` says why."""

    def allows(self, consent: Consent) -> bool:
        """Say whether the user consents to something."""
        return consent in self.consents

    def allowing(self, consent: Consent) -> Access:
        """Return the same access with one consent more."""
        return replace(self, consents=self.consents | {consent})
