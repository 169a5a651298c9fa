"""The default trainer of the plain network: natural gradients in Kronecker factors."""
