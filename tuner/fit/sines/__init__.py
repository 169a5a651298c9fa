"""Training of the plain network: the torch module, its bounds, what a fit is to do."""
