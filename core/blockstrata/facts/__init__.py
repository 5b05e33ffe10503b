"""Facts of runs of bytes: their vocabulary, arrays of them, and how they are put together."""
