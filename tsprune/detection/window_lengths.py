"""Lengths of the windows whose shapes are compared: parts of the cycle where there is one, usual lengths elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["dominant_cycle", "window_lengths"]

Floats = NDArray[np.float64]

_SAMPLE = 50_000  # rows that the autocorrelation is taken over
_CYCLES = 3  # that the sample must hold
_CLEAR = 0.5  # autocorrelation of a cycle that windows can be cut by
_FIRST = 0.85  # of the highest peak: the first peak that high is the cycle, later ones are its multiples
_PARTS = (4, 2, 1)  # a window is a quarter, a half and the whole of a cycle
_SHORT = 32  # rows; in any case, for faults much shorter than a cycle
_USUAL = (32, 64, 128)  # rows, where no cycle is clear
_SHORTEST = 8  # rows; shorter windows have no shape
_SHARE = 8  # a window is at most an eighth of training


def dominant_cycle(values: Floats) -> tuple[int, float]:
    """Return the length of the dominant cycle, in rows, and the autocorrelation there; (0, 0.0) without one.

    Cycles of varying length count, too: their autocorrelation has a peak where their spectrum has no sharp line.

    Parameters
    ----------
    values : ndarray of shape (n_timepoints,)
        Finite.

    Examples
    --------
    >>> import numpy as np
    >>> dominant_cycle(np.sin(np.arange(600) * 2 * np.pi / 50))[0]
    50
    """
    sample = values[:_SAMPLE]
    centred = sample - sample.mean()
    n = centred.size
    size = 1 << int(2 * n - 1).bit_length()
    most = n // _CYCLES
    if most < _SHORTEST:
        return 0, 0.0
    sums = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)[:most]
    if sums[0] <= 0.0:
        return 0, 0.0
    correlation = sums / sums[0] * n / (n - np.arange(most))
    negative = np.flatnonzero(correlation < 0.0)
    if not negative.size:
        return 0, 0.0
    middle = correlation[1:-1]
    peaks = 1 + np.flatnonzero((middle >= correlation[:-2]) & (middle > correlation[2:]))
    peaks = peaks[peaks > negative[0]]
    if not peaks.size or correlation[peaks].max() <= 0.0:
        return 0, 0.0
    first = int(peaks[np.argmax(correlation[peaks] >= _FIRST * correlation[peaks].max())])
    return first, float(correlation[first])


def window_lengths(values: Floats) -> tuple[int, ...]:
    """Return the window lengths, in rows, for training `values` (n_timepoints,), increasing; empty if too short.

    A quarter, a half and the whole of the dominant cycle and 32 rows; 32, 64 and 128 rows without a clear cycle.

    Examples
    --------
    >>> import numpy as np
    >>> window_lengths(np.sin(np.arange(3000) * 2 * np.pi / 200))
    (32, 50, 100, 200)
    >>> window_lengths(np.random.default_rng(0).normal(size=3000))
    (32, 64, 128)
    """
    most = values.size // _SHARE
    cycle, correlation = dominant_cycle(values)
    clear = correlation >= _CLEAR and cycle <= most
    lengths = [_SHORT, *(cycle // part for part in _PARTS)] if clear else list(_USUAL)
    return tuple(sorted({min(max(length, _SHORTEST), most) for length in lengths if most >= _SHORTEST}))
