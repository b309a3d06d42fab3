"""Compiled kernels of this room: arrays and scalars in, arrays out; no checks."""
