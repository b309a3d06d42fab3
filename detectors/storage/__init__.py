"""One file format for fitted models and states: arrays and JSON with checksums; loading runs no code."""
