"""Targets met by the plain network: which size to try next, and what that will come to."""
