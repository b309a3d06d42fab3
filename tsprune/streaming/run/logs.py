"""Log lines of a run on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

__all__ = ["logging_to_standard_error"]


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": moment, "level": record.levelname.lower(), "message": record.getMessage()})


@contextmanager
def logging_to_standard_error(form: str) -> Iterator[None]:
    """Show what the monitor logs while the context lasts.

    Parameters
    ----------
    form : {"text", "json", "off"}
    """
    logger = logging.getLogger("tsprune.monitor")
    if form == "off":
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    handler.setFormatter(_JsonFormatter() if form == "json" else text)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
