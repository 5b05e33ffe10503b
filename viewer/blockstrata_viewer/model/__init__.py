"""What the screen shows, frozen; no widget."""
