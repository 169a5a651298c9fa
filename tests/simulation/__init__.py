"""The job protocol on simulated time: the real code of store, worker and api, between simulated engines, under a seed.

docs/decisions/0033-simulation.md says what is real here, what is not, and what holds the two together.
"""
