"""One module per noun: what a client may ask, as thin functions."""
