"""What a user or an image may name, as options of QEMU's block layer."""
