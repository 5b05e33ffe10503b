"""The images that are open: how each is read, away from the screen, and what becomes of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from textual.dom import DOMNode
from textual.message import Message
from textual.worker import get_current_worker

from blockstrata.access import Consent, Probe
from blockstrata.errors import BlockstrataError, OpenError
from blockstrata_viewer.app.forgetting import collect_and_freeze
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.disk import Disk, fingerprint
from blockstrata_viewer.model.history import History, Place, at_place, place_of
from blockstrata_viewer.model.loading import Loader
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.process.memory import TAKES_TOO_MUCH


@dataclass
class Opened:
    """One of the images and how it is opened: its scene once there is one, or why there is none."""

    image: str
    opening: Opening = field(default_factory=Opening)
    turn: int = 0
    """How often it was begun to read it."""
    again: int = 0
    """The turn in which parts of it are being read again, 0 if none are."""
    loader: Loader | None = None
    scene: Scene | None = None
    read: int = 0
    """The turn in which what the scene shows was read."""
    failure: BlockstrataError | None = None
    history: History = field(default_factory=History)
    place: Place | None = None
    """Where it is to be shown once there is a scene, or once it is wholly read again."""

    @property
    def disk(self) -> Disk | None:
        """The disk that the scene shows, or that it was entered from."""
        return self.scene.chain_scene.disk if self.scene else None

    @property
    def is_whole(self) -> bool:
        """Whether all of the image is read, and it is not being read anew."""
        return self.disk is not None and self.disk.loading is None and self.read == self.turn

    def drop(self) -> None:
        """Give up what is shown of the image, its files with it."""
        if self.disk:
            self.disk.chain.close()
        self.scene = None

    def allow(self, consent: Consent) -> None:
        """Give up what is shown, and have it opened with one consent more."""
        self.opening = self.opening.allowing(consent)
        self.drop()
        self.failure = None

    def meet(self, place: Place, *, jumps: bool) -> None:
        """Go where another image is; once there is a scene, if there is none yet.

        ``jumps``: where it leads away from is a place to go back to.
        """
        if self.scene is None:
            self.place = place
            return
        here = place_of(self.scene)
        self.scene = at_place(self.scene, place)
        if jumps and place_of(self.scene) != here:
            self.history = self.history.leaving(here)

    def ask_otherwise(self) -> Probe:
        """Have files asked in the other way where their storage is, from the next turn on; return the way."""
        access = self.opening.access
        probe = Probe.SEEK if access.probe is Probe.FIEMAP else Probe.FIEMAP
        self.opening = replace(self.opening, access=replace(access, probe=probe))
        return probe


class Images:
    """The images, one of them on the screen.  What is read of them comes to ``host`` in messages."""

    @dataclass
    class Loaded(Message):
        """More of an image is read, or all of it."""

        opened: Opened
        disk: Disk
        turn: int

    @dataclass
    class Failed(Message):
        """An image cannot be shown."""

        opened: Opened
        error: BlockstrataError
        turn: int

    @dataclass
    class ReadAgain(Message):
        """An image was wholly read again; ``is_same`` says whether nothing changed, None if nobody knows."""

        opened: Opened
        turn: int
        is_same: bool | None

    class Short(Message):
        """There is no memory for more of an image that is shown."""

    def __init__(self, host: DOMNode, setup: Setup) -> None:
        self._host = host
        self._prepare = setup.prepare
        self.all = [Opened(name, setup.opening) for name in setup.images]
        self._named = len(self.all)
        """How many images there are without those of lessons, which are behind them."""
        self.at = 0
        self.is_together = False
        """Whether all images go where the one on the screen goes."""

    @property
    def shown(self) -> Opened:
        """The image on the screen."""
        return self.all[self.at]

    @property
    def place(self) -> str:
        """Which of several images is on the screen, as in 2/3."""
        place = f"{self.at + 1}/{len(self.all)}" if len(self.all) > 1 else ""
        return f"{place} together" if place and self.is_together else place

    def follow(self, *, jumps: bool) -> None:
        """Have the other images go where the one on the screen is, if they move together.

        Those of lessons go alone.  ``jumps`` is as in :meth:`Opened.meet`.
        """
        scene = self.shown.scene
        if self.is_together and scene and scene.entered_from is None and self.at < self._named:
            for opened in self.all[: self._named]:
                if opened is not self.shown:
                    opened.meet(place_of(scene), jumps=jumps)

    def begin(self, opened: Opened, *, compares: bool = False) -> None:
        """Begin to read an image; what is still being read of any is given up.

        ``compares``: say at last whether it is what it was.
        """
        # a worker keeps what it was given, so it is given something to be emptied
        before = [opened.disk] if opened.disk and opened.is_whole else []
        opened.turn += 1
        opened.loader = opened.failure = None
        read = partial(self._read, opened, opened.turn, before if compares else None)
        self._host.run_worker(read, group="load", exclusive=True, thread=True)

    def _read(self, opened: Opened, turn: int, before: list[Disk] | None) -> None:
        """Read an image away from the screen, and find out whether it is what it was, if that is asked.

        Returns nothing: the worker keeps what its work returns, and what is open keeps the worker.
        """
        was = fingerprint(before.pop()) if before else None
        disk = self._load(opened, turn)
        if disk and before is not None:
            now = fingerprint(disk)
            is_same = None if was is None or now is None else was == now
            self._host.post_message(self.ReadAgain(opened, turn, is_same))

    def _load(self, opened: Opened, turn: int) -> Disk | None:
        """Read an image away from the screen, with a picture now and then; return it once it is whole."""
        worker = get_current_worker()
        whole = None
        loader = Loader(opened.image, opened.opening)
        if turn == opened.turn:
            opened.loader = loader
        try:
            for disk in loader.load(lambda: worker.is_cancelled):
                if self._prepare:
                    self._prepare(disk.chain)
                if not disk.loading:
                    whole = disk
                    collect_and_freeze()
                self._host.post_message(self.Loaded(opened, disk, turn))
        except BlockstrataError as error:
            if not worker.is_cancelled:
                self._host.post_message(self.Failed(opened, error, turn))
        except MemoryError:
            too_large = OpenError(opened.image, "", TAKES_TOO_MUCH)
            self._host.post_message(self.Failed(opened, too_large, turn))
        return whole

    def read_again(self) -> None:
        """Tell the loader where the screen looks, and have it read what is not in memory there."""
        opened = self.shown
        scene, loader = opened.scene, opened.loader
        if scene is None or loader is None:
            return
        on_disk = scene.chain_scene
        is_wanted = loader.look(on_disk.viewport, on_disk.cursor)
        if is_wanted and opened.is_whole and opened.again != opened.turn:
            opened.again = opened.turn
            again = partial(self._load_again, opened, loader, opened.turn)
            self._host.run_worker(again, group="again", thread=True)

    def _load_again(self, opened: Opened, loader: Loader, turn: int) -> None:
        """Read away from the screen what is looked at and not in memory."""
        worker = get_current_worker()
        try:
            for disk in loader.again(lambda: worker.is_cancelled or turn != opened.turn):
                self._host.post_message(self.Loaded(opened, disk, turn))
        except MemoryError:
            self._host.post_message(self.Short())
        finally:
            if opened.again == turn:
                opened.again = 0
            # somebody may have looked elsewhere while this was about to end
            self._host.call_later(self.read_again)

    def take(self, message: Loaded, first: Callable[[Disk], Scene]) -> bool:
        """Keep what is read of an image; say whether it is of the turn that is wanted.

        ``first`` makes the scene of an image that has none yet.
        """
        opened, disk = message.opened, message.disk
        before = opened.disk
        if message.turn != opened.turn:
            if before is None or not before.is_same_opening(disk):
                disk.chain.close()  # it is being read anew
            return False
        opened.read = message.turn
        if opened.scene:
            opened.scene = opened.scene.with_disk(disk)
        else:
            opened.scene = first(disk)
            if opened.place:
                # inside of it is no way before all is read
                outside = opened.place.within or opened.place
                opened.scene, opened.place = at_place(opened.scene, outside), None
        if before and not before.is_same_opening(disk):
            before.chain.close()  # it was read anew
        return True

    def index(self, name: str) -> int:
        """Return which image has a name, opened for a lesson in the place of another's if none has it."""
        names = [opened.image for opened in self.all]
        if name in names:
            return names.index(name)
        self.give_up_images_of_lessons()
        self.all.append(Opened(name))
        return len(self.all) - 1

    def give_up_images_of_lessons(self) -> None:
        """Give back what is open for lessons; one that is wanted again is read again."""
        for opened in self.all[self._named :]:
            opened.turn += 1  # what still comes of it is given back
            opened.drop()
        del self.all[self._named :]
