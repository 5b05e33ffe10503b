"""The pages that are opened from a scene: what explains it, and where to go."""

from __future__ import annotations

from blockstrata_viewer.app.bindings import help_keys
from blockstrata_viewer.app.images import Opened
from blockstrata_viewer.app.scene_screen import SceneScreen
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.screens.audit import AuditScreen
from blockstrata_viewer.screens.details import DetailsScreen
from blockstrata_viewer.screens.go_to import GoToScreen
from blockstrata_viewer.screens.help import HelpScreen
from blockstrata_viewer.screens.tables import TablesScreen, Target
from blockstrata_viewer.screens.trace import TraceScreen

_NOT_YET = "not yet: the image is still being read"
_NOT_IN_MEMORY = "not all of this image is in memory; --memory allows more, map and info do without"
_ASKED = "answer first: that would tell what the lesson asks"


class PagesScreen(SceneScreen):
    """A scene's screen with the pages about it, each where it can be shown."""

    keymap: dict[str, str]
    """The user's own keys by binding id."""

    @property
    def opened(self) -> Opened:
        """The image on the screen."""
        raise NotImplementedError

    @property
    def palette(self) -> Palette:
        """The palette in force."""
        raise NotImplementedError

    def _is_missing(self) -> str:
        """Say why there is not all of the image to go through; an empty string if there is."""
        opened = self.opened
        if opened.disk is None or not opened.is_whole:
            return _NOT_YET
        return _NOT_IN_MEMORY if opened.disk.summaries else ""

    def _whole(self) -> Scene | None:
        """Return the scene if all of the image is there to be gone through, else say why not."""
        self.count = 0
        if missing := self._is_missing():
            self.say(missing)
            return None
        return self.current

    def _told(self) -> Scene | None:
        """Return the scene if it may be told what is under the cursor, else say why not."""
        self.count = 0
        if self.current and self.current.asking:
            self.say(_ASKED)
            return None
        return self.current

    def action_round_trip(self) -> None:
        """Show what becomes of the image on the way through NBD, or come back from there."""
        if self._whole():
            self.change(lambda scene: scene.round_trip())

    def action_audit(self) -> None:
        """Show what the audit finds."""
        if scene := self._whole():
            self.app.push_screen(AuditScreen(scene.chain_scene.disk.chain, self.palette))

    def action_help(self) -> None:
        """Show the help for what is on the screen."""
        self.count = 0
        self.app.push_screen(HelpScreen(help_keys(self.keymap), self.current, self.palette))

    def action_go_to(self) -> None:
        """Ask where to go, and go there."""
        self.count = 0

        def go(offset: int | None) -> None:
            if offset is not None:
                self.change(lambda scene: scene.go_to(offset))

        if self.current and self.current.disk.size:
            self.app.push_screen(GoToScreen(self.current), go)

    def action_details(self) -> None:
        """Show all there is to know of the extent at the cursor."""
        if scene := self._told():
            self.app.push_screen(DetailsScreen(scene))

    def action_trace(self) -> None:
        """Follow a read of the byte under the cursor down the layers."""
        if (scene := self._told()) and scene.disk.size:
            # a round trip's tracks are no layers
            scene = scene.leave() if scene.disk.round_trip else scene
            self.app.push_screen(TraceScreen(scene.disk.chain, scene.cursor, self.palette))

    def action_tables(self) -> None:
        """Show the truth tables, and go where one of their rows occurs."""

        def go(target: Target | None) -> None:
            if target is not None:
                at = target.place.depth, target.place.offset
                self.change(lambda scene: scene.at(*at, target.semantics, in_file=target.in_file))

        if scene := self._whole():
            self.app.push_screen(TablesScreen(scene), go)
