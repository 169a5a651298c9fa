"""Experiments: networks trained the same way, measured the same way, and what is left of it on disk."""
