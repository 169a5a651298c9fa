"""Training of wavelet latents and the small sine layer above them: integers chosen one by one, weights by Adam."""
