"""How many bits wavelet latents take in a file, and what each other value of a latent would cost: an estimate.

The coder of files (`core/`) mixes many contexts, two of which it learns from the picture: how large a latent will be,
and which sign it has. Both are linear in what is around it, so here least squares find them at once, for every subband,
on the latents as they are. Of the expected magnitude tables of three numbers are fitted: the bits of a zero, of a one,
and of every further unit, interpolated between the centres of two classes. Of the guess of the value, one slope: how
sure it is of the sign. What a latent does to the bits of all that see it is the transpose of the same sums, times the
slopes of the tables.
"""
