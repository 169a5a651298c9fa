"""Training of networks of sines: the torch module, its bounds, the losses it can be fitted with, and the way in."""
