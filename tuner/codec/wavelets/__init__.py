"""The chunk of the wavelet network."""
