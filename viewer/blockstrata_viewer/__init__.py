"""The viewer and the command line of blockstrata."""
