"""Formats that only qemu-img reads: what it maps, asked with the user's consent."""
