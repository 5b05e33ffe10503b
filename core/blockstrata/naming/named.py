"""Who names a node: the user, or an image.

A node is the user's if the user gave every one of its options, and an image's otherwise, also where the user
gave some of them: what an image adds may turn a file into a server.  This is found by comparison and kept
nowhere, so that no way down a tree of options can lose it.
"""

from __future__ import annotations

from dataclasses import dataclass

from blockstrata.naming.options import Options, child, inherited, merge


@dataclass(frozen=True, slots=True)
class Named:
    """The options of a node and of all below it; ``given`` are those that the user gave."""

    options: Options
    given: Options

    @classmethod
    def by_user(cls, options: Options) -> Named:
        """Return what the user names, in whole."""
        return cls(options, options)

    @classmethod
    def by_image(cls, options: Options) -> Named:
        """Return what an image names, in whole."""
        return cls(options, {})

    @property
    def is_stated(self) -> bool:
        """Whether an image names the node, or a part of it, or of what lies below."""
        return self.options != self.given

    def child(self, key: str, name: str) -> Named | None:
        """Return a child, with what it inherits, or None if there is none; errors as :func:`child`'s."""
        options = child(self.options, key, name)
        if options is None:
            return None
        given = self.given.get(key)
        return Named(options, (child(self.given, key, name) or {}) if isinstance(given, dict) else {})

    def completing(self, key: str, stated: Options, name: str) -> Named:
        """Return a child that an image states, replaced or completed at every depth by what is given."""
        own = self.options.get(key)
        options = merge(inherited(self.options, key), stated, name)
        options = merge(options, own if isinstance(own, dict) else {}, name)
        given = self.child(key, name)
        return Named(options, given.given if given else {})
