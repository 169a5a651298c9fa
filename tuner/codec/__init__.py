"""The file format: bytes to representation and back."""
