"""What this process is to its system: signals, threads, memory, files, the terminal."""
