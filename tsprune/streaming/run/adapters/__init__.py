"""Adapters: servers as sources and sinks of the monitor, each over its own optional client library."""
