"""Measurements on request: `make bench-fit`."""
