"""Streams: online decomposition and monitoring, one point at a time."""
