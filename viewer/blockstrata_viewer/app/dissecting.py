"""What the bytes of a file are for, found out away from the screen while its axis is shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from textual.dom import DOMNode
from textual.message import Message
from textual.worker import Worker, WorkerCancelled, get_current_worker

from blockstrata.errors import BlockstrataError, OpenError
from blockstrata_viewer.model.disk import Disk
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.uses import UseTrack, read_uses
from blockstrata_viewer.process.memory import TAKES_TOO_MUCH


@dataclass
class _Share:
    """How far one file is taken apart; another one's is another."""

    percent: int = 0


class Dissecting:
    """Takes apart the file that a scene shows; what it finds comes to ``host`` in messages."""

    @dataclass
    class Found(Message):
        """What the bytes of a file are for."""

        disk: Disk
        uses: UseTrack

    @dataclass
    class Failed(Message):
        """A file cannot be taken apart, or has no parts."""

        disk: Disk
        error: BlockstrataError

    class Went(Message):
        """It is known how far it is."""

    def __init__(self, host: DOMNode) -> None:
        self._host = host
        self._disk: Disk | None = None
        self._worker: Worker[None] | None = None
        self._kept: tuple[Disk, UseTrack] | None = None
        """The last file and its uses, for one who comes back; given up when the image is read anew."""
        self._opened: object = None
        """The active layer's node of the image that the file is of."""
        self._share: _Share | None = None
        """How far it is, None while nothing is taken apart."""

    def __str__(self) -> str:
        """Return it in words; empty while nothing is taken apart."""
        return f"what the bytes are for: {self._share.percent} % · v leaves" if self._share else ""

    def follow(self, scene: Scene) -> None:
        """Take apart the file that is on the screen, if that is one; any other is given up."""
        opened = scene.chain_scene.disk.layers[0].node
        if opened is not self._opened:
            self._opened, self._kept = opened, None
        disk = scene.disk if scene.entered_from and scene.disk.is_file else None
        if disk is not None and (disk.uses or disk is self._disk):
            return
        goes_on = self._disk is not None and disk is not None and disk.is_same_opening(self._disk)
        self._disk = disk
        if goes_on and self._share:
            return
        if self._worker:
            self._worker.cancel()
        self._worker = self._share = None
        if disk is None:
            return
        if self._kept and disk.is_same_opening(self._kept[0]):
            self._host.post_message(self.Found(disk, self._kept[1]))
            return
        self._share, self._kept = _Share(), None
        # a worker keeps what it was given, so it is given something to be emptied
        take = partial(self._take, [scene], self._share)
        self._worker = self._host.run_worker(take, group="dissect", thread=True)

    def is_awaited(self, disk: Disk) -> bool:
        """Say whether a file is the one that is on the screen; then nothing is taken apart any more."""
        if self._disk is None or not disk.is_same_opening(self._disk):
            return False
        self._share = None
        return True

    def _take(self, given: list[Scene], share: _Share) -> None:
        worker, scene = get_current_worker(), given.pop()
        disk = scene.disk

        def tick(done: int, whole: int) -> None:
            if worker.is_cancelled:
                raise WorkerCancelled
            percent = min(99, done * 100 // max(1, whole))
            if percent != share.percent:
                share.percent = percent
                self._host.post_message(self.Went())

        layer = scene.chain_scene.disk.layers[scene.file_depth]
        try:
            uses = read_uses(layer, disk.layers[0], tick)
            if worker.is_cancelled:
                return
            self._kept = (disk, uses)
            self._host.post_message(self.Found(disk, uses))
        except WorkerCancelled:
            return
        except BlockstrataError as error:
            self._host.post_message(self.Failed(disk, error))
        except MemoryError:
            self._host.post_message(self.Failed(disk, OpenError(layer.name, "", TAKES_TOO_MUCH)))
