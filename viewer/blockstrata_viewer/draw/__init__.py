"""How the screen looks; no app."""
