"""Everything on one machine, from wheels: the three engines, the api, the worker, and what keeps them together."""
