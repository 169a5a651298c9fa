"""Training of the wavelet network: integers chosen one by one, weights by Adam, the rate in the loop."""
