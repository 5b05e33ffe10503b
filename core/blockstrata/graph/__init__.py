"""Nodes and chains: options to drivers, drivers to a backing chain."""
