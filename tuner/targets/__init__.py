"""Asking for so many decibels, bytes or seconds instead of a network. `search.fit_to_target` is the way in."""
