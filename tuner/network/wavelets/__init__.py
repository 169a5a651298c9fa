"""The wavelet network: integers of wavelets span fields, and a small sine layer reads them."""
