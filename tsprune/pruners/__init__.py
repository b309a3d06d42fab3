"""Component pruners: transformers that remove trend, season and noise, with an exact inverse."""
