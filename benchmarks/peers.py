"""Who is measured: blockstrata in its own ways, and every peer that is installed, each on one disk."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from processes import Sample, run, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cases import Case
    from race import Measure

IN_PROCESS: Final = "in process"
ALONE: Final = "in process, each layer alone"
MAP: Final = "map --output json"
INFO: Final = "info"
PLAIN_READ: Final = "plain read"
QEMU_IMG: Final = "qemu-img map"
QEMU_IMG_ALONE: Final = "qemu-img map, each layer alone"
NBDINFO: Final = "qemu-nbd + nbdinfo"
LIBNBD: Final = "qemu-nbd + libnbd"
FILEFRAG: Final = "filefrag -v"
DISSECT: Final = "dissect.hypervisor, each layer alone"

BLOCKSTRATA: Final = (
    sys.executable,
    "-c",
    "import sys; from blockstrata_viewer.cli.group import main; sys.exit(main())",
)
"""What the installed command does, whether it is installed or not."""


def inside(*words: str) -> list[str]:
    """Return the command that measures inside a process."""
    return [sys.executable, str(Path(__file__).with_name("inside.py")), *words]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the images are, where answers may be written, and the seconds that one may take."""

    images: Path
    scratch: Path
    patience: float

    def run(self, words: Sequence[str], output: str | None = None) -> Sample:
        """Run a command among the images; its output goes to a file in the scratch directory, if to any."""
        where = self.scratch / output if output else None
        return run(words, cwd=self.images, patience=self.patience, output=where)

    def ask(self, *words: str) -> dict[str, Any]:
        """Return what inside.py found."""
        with tempfile.NamedTemporaryFile(dir=self.scratch, suffix=".json") as found:
            self.run(inside(*words), found.name)
            answer: dict[str, Any] = json.loads(Path(found.name).read_text() or "{}")
            return answer


def sample(found: dict[str, float]) -> Sample:
    """Return what was measured inside a process."""
    return Sample(found["cpu"], found["wall"], int(found["memory"]))


def ours(case: Case, place: Place, found: dict[str, Any]) -> dict[str, Measure]:
    """Return blockstrata's ways: in process (with the plain read of the tables before it), map, and info.

    What was found in process the last time is left in ``found``.
    """

    def all_in_process() -> dict[str, Sample]:
        found.update(ask_map(case, place))
        names = [name for name in (PLAIN_READ, IN_PROCESS, ALONE) if name in found]
        return {name: sample(found[name]) for name in names}

    return {
        IN_PROCESS: all_in_process,
        MAP: lambda: {MAP: place.run([*BLOCKSTRATA, "map", "--output", "json", case.image], "ours.json")},
        INFO: lambda: {INFO: place.run([*BLOCKSTRATA, "info", case.image])},
    }


def in_process(case: Case, place: Place, name: str) -> Measure:
    """Return what measures a disk in process alone, under a name."""
    return lambda: {name: sample(ask_map(case, place)[IN_PROCESS])}


def ask_map(case: Case, place: Place) -> dict[str, Any]:
    """Return what inside.py finds of a disk: times, its runs, and the bytes of its tables if it has any."""
    return place.ask("map", *case.files, *(["--raw"] if case.format == "raw" else []))


def peers(case: Case, place: Place) -> dict[str, Measure]:
    """Return the peers that are installed and can read the disk."""
    found: dict[str, Measure] = {}
    if shutil.which("qemu-img"):
        found[QEMU_IMG] = lambda: {QEMU_IMG: place.run(qemu_img(case), "theirs.json")}
        if case.is_chain:
            found[QEMU_IMG_ALONE] = lambda: {QEMU_IMG_ALONE: _each_alone(case, place)}
    if shutil.which("qemu-nbd") and shutil.which("nbdinfo"):
        found[NBDINFO] = lambda: {NBDINFO: _by_nbdinfo(case, place)}
    if shutil.which("qemu-nbd") and is_importable("nbd"):
        found[LIBNBD] = lambda: {LIBNBD: _by_libnbd(case, place)}
    if shutil.which("filefrag") and case.format == "raw":
        found[FILEFRAG] = lambda: {FILEFRAG: place.run(["filefrag", "-v", case.image], "filefrag.txt")}
    if is_importable("dissect.hypervisor") and case.format == "qcow2":
        found[DISSECT] = lambda: {DISSECT: sample(place.ask("dissect", *case.files)[IN_PROCESS])}
    return found


def is_importable(module: str) -> bool:
    """Say whether a module is installed, without loading it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def qemu_img(case: Case) -> list[str]:
    """Return the command whose answer ours is compared with."""
    return ["qemu-img", "map", "--output=json", "-f", case.format, case.image]


def qemu_img_alone(case: Case, depth: int) -> list[str]:
    """Return the command for one layer of a chain without what it stands on."""
    file = {"driver": "file", "filename": case.files[depth]}
    options = {"driver": case.format, "file": file, "backing": None}
    return ["qemu-img", "map", "--output=json", f"json:{json.dumps(options)}"]


def _each_alone(case: Case, place: Place) -> Sample:
    total = Sample(0, 0)
    for depth in range(len(case.files)):
        total += place.run(qemu_img_alone(case, depth), f"their-layer-{depth}.json")
    return total


def _serve(case: Case, socket: Path) -> list[str]:
    options = ["--read-only", "--persistent", "--shared=4", f"--format={case.format}"]
    return ["qemu-nbd", *options, f"--socket={socket}", case.image]


def _by_nbdinfo(case: Case, place: Place) -> Sample:
    """Return the processor time of server and client, the server's start included, and the client's time."""
    with tempfile.TemporaryDirectory(prefix="blockstrata-") as directory:
        socket = Path(directory) / "nbd"
        with serving(_serve(case, socket), socket, cwd=place.images) as server:
            client = place.run(["nbdinfo", "--map", "--json", f"nbd+unix:///?socket={socket}"], "nbd.json")
    return Sample(client.cpu + server.sample.cpu, client.wall, client.memory)


def _by_libnbd(case: Case, place: Place) -> Sample:
    """Return the same for libnbd in a process, of which the questions alone count."""
    with tempfile.TemporaryDirectory(prefix="blockstrata-") as directory:
        socket = Path(directory) / "nbd"
        with serving(_serve(case, socket), socket, cwd=place.images) as server:
            client = sample(place.ask("nbd", str(socket))[IN_PROCESS])
    return Sample(client.cpu + server.sample.cpu, client.wall, client.memory)
