"""Signals, their grids, and the files they come from and go back to."""
