"""Training: one verb, `fit`, and the algorithms behind it."""
