"""Log lines: documents of words, pruned, scored and explained."""

from tsprune.logs.detector import LogDetector
from tsprune.logs.following import LogFollower
from tsprune.logs.sources import line_blocks

__all__ = ["LogDetector", "LogFollower", "line_blocks"]
