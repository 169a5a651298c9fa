"""Integers to bits and back: probability tables and the range coder."""
