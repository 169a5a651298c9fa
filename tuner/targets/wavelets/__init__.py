"""Targets met by the wavelet network: the rate or the quality is part of the fit."""
