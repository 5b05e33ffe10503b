"""Other tools' notations, out and in."""
