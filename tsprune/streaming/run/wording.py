"""Wording: a reading as a line of the output, and an alert as one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tsprune.streaming.monitor.reading import Reading

__all__ = ["because", "reading_fields", "sentence", "silence_fields"]

_MOST_NAMED = 4  # metrics in a sentence
_MANY_ROWS = 1e6  # beyond which nobody can say how seldom


def _finite(value: float) -> float | None:
    """Return a number as JSON holds it."""
    return value if math.isfinite(value) else None


def _short(value: float) -> str:
    return f"{value:.4g}"


def because(reading: Reading) -> dict[str, dict[str, float]]:
    """Return the causes with a share of at least 5 %, by metric."""
    table = reading.explain()
    found: dict[str, dict[str, float]] = {}
    for metric, row in table.iterrows():
        shares = {str(cause): round(float(share), 3) for cause, share in row.items() if share >= 0.05}
        if shares:
            found[str(metric)] = shares
    return found


def reading_fields(reading: Reading, line: int, time: str) -> dict[str, Any]:
    """Return one line of the output: the reading, value and range of every metric, and why if it is an alert."""
    values, ranges = reading.values, reading.ranges
    fields: dict[str, Any] = {
        "line": line,
        "time": time,
        "score": reading.score,
        "onset": reading.onset,
        "p_value": reading.p_value,
        "is_anomaly": reading.is_anomaly,
        "alert": reading.alert,
        "repruned": reading.repruned,
        "metrics": {
            name: {
                "value": _finite(value),
                **{part: _finite(ranges[f"{name}.{part}"]) for part in ("expected", "lower", "upper")},
            }
            for name, value in values.items()
        },
    }
    if reading.incident:
        fields["incident"] = reading.incident
    if reading.held_back:
        fields["held_back"] = True
    if reading.reasons:
        fields["reasons"] = reading.reasons
    if reading.alert:
        fields["because"] = because(reading)
        fields["text"] = sentence(reading, time, fields["because"])
    return fields


def sentence(reading: Reading, time: str, causes: Mapping[str, Mapping[str, float]]) -> str:
    """Return what happened in one sentence, the most abnormal metric first."""
    reasons, values, ranges = reading.reasons, reading.values, reading.ranges
    names = list(causes)
    ordered = [name for name in names if name in reasons] + [name for name in reasons if name and name not in names]
    parts = []
    for name in (ordered or names)[:_MOST_NAMED]:
        why = reasons.get(name, [])
        value, expected = values[name], ranges[f"{name}.expected"]
        usual = f"usual: {_short(ranges[f'{name}.lower'])} to {_short(ranges[f'{name}.upper'])}"
        if "gone" in why or math.isnan(value):
            parts.append(f"{name} is gone ({usual})")
        elif "stuck" in why:
            parts.append(f"{name} is stuck at {_short(value)}")
        elif why in ([], ["unusual"]) and ranges[f"{name}.lower"] <= value <= ranges[f"{name}.upper"]:
            shares = causes.get(name, {})
            cause = max(shares, key=lambda key: shares[key]) if shares else "course"
            parts.append(f"{name} is at {_short(value)} ({usual}), but its {cause} is unusual")
        else:
            way = "rose to" if value > expected else "fell to" if value < expected else "is at"
            limits = [text for text in why if "limit" in text]
            parts.append(f"{name} {way} {_short(value)} ({', '.join([*limits, usual])})")
    if "" in reasons:
        parts.insert(0, "the stream was silent before")
    rows = 1.0 / max(reading.p_value, 1e-12)
    often = f"once in about {_rounded(rows)} rows" if rows < _MANY_ROWS else "less than once in a million rows"
    return f"{'; '.join(parts) or 'something unusual'} at {time}; {often}"


def _rounded(rows: float) -> str:
    """Return a count to one digit, with separators."""
    size = 10 ** max(math.floor(math.log10(rows)), 0)
    return f"{round(rows / size) * size:,}"


def silence_fields(line: int, last: str, seconds: float) -> dict[str, Any]:
    """Return the alert for a stream that has been silent for so many seconds since `last`."""
    return {
        "line": line,
        "time": last,
        "kind": "silent",
        "alert": True,
        "seconds": round(seconds, 3),
        "text": f"nothing has come since {last}, for {seconds:.0f} s",
    }
