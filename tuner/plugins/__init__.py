"""Representations in the programs that people already have, one file for each; nothing else of the library uses them.

Each is found by its program: napari, xarray, Zarr and numcodecs look at entry points of installed packages; Pillow and
imageio, which look at none, know .tnr files once `tuner.plugins.pillow` or `tuner.plugins.imageio` has been imported.
"""
