"""How long a server is waited for: one answer, and a map of answers that tell little.

``timeout`` seconds bound each answer as a whole, however it comes, so that a server cannot draw it out::

    question  ├─ asked
    answer    │   ▪ ▪ ▪ ▪▪▪▪▪▪▪▪ complete           in time
    dripped   │   ▪    ▪    ▪    ▪    ▪  ╳          too late, although bytes come
"""

from __future__ import annotations

import copy
import time
from typing import Final

from blockstrata.access import Access
from blockstrata.protocols.nbd.wire import WireError

_SLICE: Final = 0.1
"""Seconds of waiting after which it is asked whether anybody still wants the answer."""
_LIMITS: Final = 120
"""Time limits that answers which leave something open may take together."""
_MOST_SHORT: Final = 1 << 18
"""Answers to one export that leave something open."""
_FIRST_SHORT: Final = 4096
"""Of these, those after which it shows how many more there will be."""


class Patience:
    """A moment until which is waited, ``timeout`` seconds ahead when it was last renewed."""

    def __init__(self, access: Access) -> None:
        self.timeout = access.timeout
        self._is_cancelled = access.is_cancelled
        self.renew()

    def renew(self) -> None:
        """Start the time limit anew."""
        self._until = time.monotonic() + self.timeout

    def share(self, of: int) -> Patience:
        """Return the patience for the first of so many tries, which share the time that is left."""
        part = copy.copy(self)
        now = time.monotonic()
        part._until = now + (self._until - now) / of
        return part

    def left(self) -> float:
        """Return the seconds of the next bit of waiting, a tenth at the most.

        ``WireError`` if the time is over, or nobody wants the answer any more.
        """
        if self._is_cancelled():
            raise WireError("given up")
        left = self._until - time.monotonic()
        if left <= 0:
            raise WireError(f"no answer within {self.timeout:g} seconds")
        return min(left, _SLICE)


class Pace:
    """Whether answers that leave something open lead anywhere, in number and in time.

    A right server may tell of less than was asked, one extent at a time if it likes, and is asked on.  It is
    heard as long as such answers, at the pace so far, tell of the whole export within bounds.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size = size
        self._timeout = timeout
        self._told = 0
        self._short = 0
        self._seconds = 0.0

    def heard(self, told: int, seconds: float, *, is_short: bool) -> None:
        """Count an answer that told of so many bytes more; ``WireError`` if there is no end in sight."""
        self._told += told
        if not is_short:
            return
        self._short += 1
        self._seconds += seconds
        whole = self._size / self._told
        if self._short >= _FIRST_SHORT and self._short * whole > _MOST_SHORT:
            raise WireError(
                f"takes more than {_MOST_SHORT:,} requests, the server's answers cover too little"
            )
        if self._seconds > self._timeout and self._seconds * whole > self._timeout * _LIMITS:
            what = f"{self._timeout * _LIMITS:g} seconds"
            raise WireError(f"takes more than {what}, the server's answers cover too little")
