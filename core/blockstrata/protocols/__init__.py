"""Protocol drivers: bytes in, storage facts out."""
