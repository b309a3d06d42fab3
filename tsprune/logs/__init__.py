"""Log lines: documents of words, pruned, scored and explained."""

from tsprune.logs.detector import LogDetector
from tsprune.logs.sources import line_blocks

__all__ = ["LogDetector", "line_blocks"]
