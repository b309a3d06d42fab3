"""Pruning of the models themselves: trees, training rows, support vectors."""
