"""``python -m blockstrata_viewer`` is ``blockstrata``."""


def main() -> None:
    """Run the program; SIGINT ends it as any other does that knows nothing of it, without a traceback.

    See ``leaving`` for what is undone then.
    """
    # what signal stands on, for which mypy has no types: signal itself imports as much as Python did so far
    import _signal  # type: ignore[import-not-found]  # noqa: PLC0415  nothing before it is the program's turn

    # what is ignored stays so: by nohup, or a shell that starts us in the background
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from blockstrata_viewer.cli.group import main as command  # noqa: PLC0415  as above

    command(prog_name="blockstrata")


if __name__ == "__main__":
    main()
