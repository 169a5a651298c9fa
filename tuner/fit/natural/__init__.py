"""The default training of networks of sines: natural gradients, with the curvature in Kronecker factors."""
