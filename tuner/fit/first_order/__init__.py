"""First-order training of networks of sines, as in the published recipes: Adam, Muon, schedule-free Adam, L-BFGS."""
