"""Signals as compressed neural representations."""
