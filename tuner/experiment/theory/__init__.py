"""What the paper's theory says of a network's spectrum."""
