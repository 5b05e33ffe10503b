"""What the screen is made of, one part a file."""
