"""The coarsest weights of a plain network that lose no more than allowed."""
