"""Monitoring as a service: sources, sinks, and a journal that survives a crash."""
