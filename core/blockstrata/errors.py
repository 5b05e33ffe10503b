"""Every error that a user can cause.  Each is one line: which file, what in it, and what is wrong."""

from __future__ import annotations

import copy
from typing import Self

from blockstrata.access import Consent
from blockstrata.text.printable import printable


class BlockstrataError(Exception):
    """Base of all errors a user can cause.

    ``file`` is the image as the user or a header named it, ``field`` the part of it that is wrong (a header
    field, a table entry, an option), or empty when it is the file as a whole.
    """

    def __init__(self, file: str, field: str, what: str) -> None:
        super().__init__(file, field, what)
        self.file = file
        self.field = field
        self.what = what

    def __str__(self) -> str:
        """Return one printable line."""
        return printable(": ".join(part for part in (self.file, self.field, self.what) if part))

    @property
    def reason(self) -> str:
        """What is wrong in the file, and in which part of it, for where the file is named already."""
        return printable(": ".join(part for part in (self.field, self.what) if part))

    def within(self, field: str) -> Self:
        """Return the same error, met on the way through ``field``."""
        error = copy.copy(self)
        error.field = field + (f": {self.field}" if self.field else "")
        return error

    def part_of(self, file: str, role: str) -> Self:
        """Return the same error as one of the image ``file``, of which the faulty file is a part."""
        error = self.within(f"{role} {self.file}")
        error.file = file
        return error


class OpenError(BlockstrataError):
    """The file cannot be opened or read."""


class BadReferenceError(BlockstrataError):
    """The name of an image (a path, ``json:{…}``, an option) makes no sense."""


class BadImageError(BlockstrataError):
    """The image is malformed, and QEMU refuses it too."""


class BackingLoopError(BadImageError):
    """The backing references lead back to an image that is already in the chain."""


class UnsupportedError(BlockstrataError):
    """The image may be fine, but blockstrata does not read this format, protocol or feature."""


class ConsentError(BlockstrataError):
    """The image can be opened only if the user consents to something; ``what`` says how."""

    def __init__(self, file: str, field: str, what: str, consent: Consent) -> None:
        super().__init__(file, field, what)
        self.args = (file, field, what, consent)  # what a copy is made from
        self.consent = consent


class ServerError(BlockstrataError):
    """A server refuses, does not answer in time, or answers what makes no sense."""


class ClosedError(BlockstrataError):
    """The image was closed before it was asked."""


class BadRangeError(BlockstrataError):
    """An offset, length or layer number lies outside what there is."""


def words_of(error: Exception) -> str:
    """Return what an error of the system or the interpreter says, without number and file."""
    return getattr(error, "strerror", None) or str(error)
