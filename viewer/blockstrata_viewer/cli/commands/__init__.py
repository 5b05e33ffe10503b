"""One file a command: ``command`` in the module of its name."""
