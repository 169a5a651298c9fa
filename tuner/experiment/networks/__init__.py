"""Networks that experiments compare with, and variants of the paper's."""
