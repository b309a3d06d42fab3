"""What was usual, and episodes as a table: when, how unusual, which series, what was found and what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.detection.episodes import runs
from tsprune.detection.thresholds import OrdinaryTail

__all__ = ["EpisodeRows", "OrdinaryRange", "episode_table"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_COLUMNS = ["start", "end", "peak", "n_rows", "p_value", "series", "cause", "expected", "lower", "upper", "found"]


@dataclass(frozen=True)
class OrdinaryRange:
    """Middle and central range of what is left of every series without its components.

    Attributes
    ----------
    middle, lower, upper : ndarray of shape (n_series,)
        Median and the quantiles that leave half of the rest of `coverage` on either side, of unflagged rows.

    Examples
    --------
    >>> import numpy as np
    >>> rest = np.random.default_rng(0).normal(size=(5000, 1))
    >>> usual = OrdinaryRange.fit(rest, np.zeros(5000, dtype=bool), 0.95)
    >>> bool(abs(usual.lower[0] + 1.96) < 0.1), bool(abs(usual.upper[0] - 1.96) < 0.1)
    (True, True)
    """

    middle: Floats
    lower: Floats
    upper: Floats

    @classmethod
    def fit(cls, rest: Floats, flagged: Mask, coverage: float) -> OrdinaryRange:
        """Learn from training `rest` (n_rows, n_series), NaN is missing, and which rows are flagged (n_rows,)."""
        ordinary = rest[~flagged]
        seen = np.isfinite(ordinary).any(axis=0)
        quantiles = np.zeros((3, rest.shape[1]))
        aside = (1.0 - coverage) / 2.0
        if ordinary.size:
            quantiles[:, seen] = np.nanquantile(ordinary[:, seen], [0.5, aside, 1.0 - aside], axis=0)
        return cls(quantiles[0], quantiles[1], quantiles[2])


@dataclass(frozen=True)
class EpisodeRows:
    """The rows that a table of episodes is made of.

    Attributes
    ----------
    flags : ndarray of bool of shape (n_rows,)
    evidence : ndarray of shape (n_rows,)
    found : ndarray of shape (n_rows, n_series)
        Values as given.
    expected : ndarray of shape (n_rows, n_series)
        Their components and the middle of the range.
    responsible : ndarray of shape (n_rows, n_series)
        Shares of the abnormality; larger = more responsible.
    features : ndarray of shape (n_rows, n_features)
        In training deviations, as many for every series.
    """

    flags: Mask
    evidence: Floats
    found: Floats
    expected: Floats
    responsible: Floats
    features: Floats


def episode_table(
    rows: EpisodeRows,
    below: Floats,
    above: Floats,
    *,
    tail: OrdinaryTail,
    n_fitted: int,
    index: pd.Index,
    names: Sequence[str],
    kinds: Sequence[str],
) -> pd.DataFrame:
    """Return one line an episode, in order of time.

    Parameters
    ----------
    rows : EpisodeRows
    below, above : ndarray of shape (n_series,)
        Distances from `expected` to the ends of the ordinary range, both >= 0.
    tail : OrdinaryTail
    n_fitted : int
        Rows of training: the p-value is the chance that an ordinary series of that length has such a peak.
    index : pandas Index of length n_rows
    names, kinds : sequence of str
        Of the series, and of the features of each.
    """
    lines = []
    width = np.where(below + above > 0.0, below + above, np.inf)
    for start, stop in runs(rows.flags):
        peak = start + int(np.argmax(rows.evidence[start:stop]))
        moved = rows.found[start:stop] - rows.expected[start:stop]
        beyond = np.where(np.isnan(moved), 0.0, np.maximum(moved - above, -below - moved))
        outside = beyond.max(axis=0)
        if (outside > 0.0).any():
            scaled = np.where(outside > 0.0, outside / width + 1e-12 * outside, -1.0)
            series = int(np.argmax(scaled))
            peak = start + int(np.argmax(beyond[:, series]))
            side = "above" if moved[peak - start, series] > 0 else "below"
            cause = f"{side} its range"
        else:
            series = int(np.argmax(rows.responsible[peak]))
            each = len(kinds)
            own = rows.features[peak, series * each : (series + 1) * each]
            cause = _in_words(kinds[int(np.argmax(np.abs(own)))], float(own[np.argmax(np.abs(own))]), len(names))
        lines.append(
            {
                "start": index[start],
                "end": index[stop - 1],
                "peak": index[peak],
                "n_rows": stop - start,
                "p_value": float(tail.p_value(np.array([rows.evidence[start:stop].max()]), n_fitted)[0]),
                "series": names[series],
                "cause": cause,
                "expected": float(rows.expected[peak, series]),
                "lower": float(rows.expected[peak, series] - below[series]),
                "upper": float(rows.expected[peak, series] + above[series]),
                "found": float(rows.found[peak, series]),
            }
        )
    return pd.DataFrame(lines, columns=_COLUMNS)


def _in_words(kind: str, deviation: float, n_series: int) -> str:
    """The strongest feature of an episode whose values are all in their range."""
    name, _, scale = kind.partition(" ")
    if name == "mean":
        return f"mean of {scale} rows {'high' if deviation > 0 else 'low'}"
    if name == "edge":
        return f"{'rise' if deviation > 0 else 'fall'} within {scale} rows"
    return "unusual combination of series" if n_series > 1 else "unusual course within its range"
