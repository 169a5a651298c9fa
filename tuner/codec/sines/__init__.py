"""The chunks of the plain network."""
