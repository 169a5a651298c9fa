"""Queries, one module per noun; nothing outside this package writes SQL."""
