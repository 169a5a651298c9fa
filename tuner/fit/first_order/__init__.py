"""First-order trainers of the plain network, for the published recipes."""
