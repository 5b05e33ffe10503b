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
        self.percent: int | None = None
        """How far it is, None while nothing is taken apart."""

    def __str__(self) -> str:
        """Return it in words; empty while nothing is taken apart."""
        return "" if self.percent is None else f"what the bytes are for: {self.percent} % · v leaves"

    def follow(self, scene: Scene) -> None:
        """Take apart the file that is on the screen, if that is one; any other is given up."""
        disk = scene.disk if scene.entered_from and scene.disk.is_file else None
        if disk is not None and disk.uses:
            return
        if self._disk is not None and disk is not None and disk.is_same_opening(self._disk):
            return
        if self._worker:
            self._worker.cancel()
        self._disk, self._worker, self.percent = disk, None, None
        if disk is not None:
            self.percent = 0
            take = partial(self._take, scene, disk)
            self._worker = self._host.run_worker(take, group="dissect", thread=True)

    def is_awaited(self, disk: Disk) -> bool:
        """Say whether a file is the one that is on the screen; then nothing is taken apart any more."""
        if disk is not self._disk:
            return False
        self.percent = None
        return True

    def _take(self, scene: Scene, disk: Disk) -> None:
        worker = get_current_worker()

        def tick(done: int, whole: int) -> None:
            if worker.is_cancelled:
                raise WorkerCancelled
            percent = min(99, done * 100 // max(1, whole))
            if self._disk is disk and percent != self.percent:
                self.percent = percent
                self._host.post_message(self.Went())

        layer = scene.chain_scene.disk.layers[scene.file_depth]
        try:
            self._host.post_message(self.Found(disk, read_uses(layer, disk.layers[0], tick)))
        except WorkerCancelled:
            return
        except BlockstrataError as error:
            self._host.post_message(self.Failed(disk, error))
        except MemoryError:
            self._host.post_message(self.Failed(disk, OpenError(layer.name, "", TAKES_TOO_MUCH)))
