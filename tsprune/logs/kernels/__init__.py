"""Compiled loops over the bytes of log lines."""
