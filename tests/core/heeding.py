"""A child that heeds signals, whatever it would inherit.

A shell ignores control-C for what it starts in the background, and nohup the hanging up, for all that is
started from there; the tests may be.
"""

from __future__ import annotations

HEEDING = ("env", "--default-signal=HUP,INT,TERM")
"""Put before the words of a command, which then runs in the same process."""
