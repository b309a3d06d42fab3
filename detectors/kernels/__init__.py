"""Numba kernels for tables: arrays in, arrays out."""
