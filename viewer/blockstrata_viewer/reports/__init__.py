"""Text of commands."""
