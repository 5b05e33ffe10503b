"""Format drivers: tables in, mapping facts out."""
