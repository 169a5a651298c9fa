"""The networks and what the theory says about them."""
