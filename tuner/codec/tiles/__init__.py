"""The chunk of a signal in tiles, and how one region of it is read."""
