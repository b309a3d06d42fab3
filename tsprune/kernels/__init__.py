"""Numba kernels for series: arrays in, arrays out."""
