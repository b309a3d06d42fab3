"""Words: pruning of sparse counts behind a vectorizer."""

from detectors.words.pruner import WordPruner

__all__ = ["WordPruner"]
