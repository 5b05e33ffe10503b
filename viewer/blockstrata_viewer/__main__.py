"""``python -m blockstrata_viewer`` is ``blockstrata``."""

from blockstrata_viewer.cli import main

main(prog_name="blockstrata")
