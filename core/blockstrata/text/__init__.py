"""Text on its way to people: what is printable, how sizes are written and read."""
