"""The cycle of a season: its exact length, which is no whole number of rows in general, and its course."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.periods.kernels.background import innovations
from tsprune.periods.spectrum import Whitened, filled

__all__ = ["exact_length", "explained_share", "season_of"]

Floats = NDArray[np.float64]

_MOST_HARMONICS = 6  # that the length is estimated from
_LONG = 20_000  # rows: of longer series two harmonics tell the length well enough
_REACH = 0.6  # turns over the whole series, either way: where the line of a frequency ends
_CERTAIN = 16.0  # turns by which neighbouring whole lengths differ, so that the transform tells them apart
_ROUNDS = 12  # halvings of the interval
_RIDGE = 1e-9  # of the largest: the filter of a random walk leaves nothing of a constant
_MORE_HARMONICS = 4  # are removed than were needed to find a cycle
_DRIFT = 0.5  # rows by which the phase of a rounded length is off at the end, before the cycle is interpolated


def exact_length(spectra: Whitened, length: float, n_harmonics: int) -> float:
    """Return the length around `length` whose first harmonics explain the series best, given its background.

    Generalised least squares: the series and the harmonics go through the filter that whitens the background.
    """
    n = len(spectra.known)
    if n / length**2 > _CERTAIN:
        return length
    n_used = min(n_harmonics, _MOST_HARMONICS)
    reach = min(_REACH, max(_REACH / n_used, 0.5 * n / length**2))
    turns = np.linspace(-reach, reach, 4 * n_used + 9)
    shares = [explained_share(spectra, 1.0 / (1.0 / length + turn / n), n_harmonics) for turn in turns]
    if int(np.argmax(shares)) in (0, turns.size - 1):
        return length  # no optimum here
    best, width = float(turns[int(np.argmax(shares))]), float(turns[1] - turns[0])
    low, middle, high = best - width, float(max(shares)), best + width
    for _ in range(_ROUNDS):  # halve the interval on the side that is worse
        left, right = 0.5 * (low + best), 0.5 * (best + high)
        of_left = explained_share(spectra, 1.0 / (1.0 / length + left / n), n_harmonics)
        of_right = explained_share(spectra, 1.0 / (1.0 / length + right / n), n_harmonics)
        if of_left > max(middle, of_right):
            best, middle, high = left, of_left, best
        elif of_right > middle:
            best, middle, low = right, of_right, best
        else:
            low, high = left, right
    return 1.0 / (1.0 / length + best / n)


def explained_share(spectra: Whitened, length: float, n_harmonics: int) -> float:
    """Return the share of the squares of the whitened series that harmonics of a length explain, 0 to 1."""
    known = np.isfinite(spectra.known)
    t = np.arange(len(known), dtype=np.float64)
    most = 2 if len(known) > _LONG else _MOST_HARMONICS
    columns = [np.ones(len(known)), t / len(known)]
    for order in range(1, min(n_harmonics, most, max(1, int(length / 2))) + 1):
        angle = 2.0 * np.pi * order / length * t
        columns += [np.cos(angle), np.sin(angle)]
    white = [innovations(np.where(known, column, np.nan), *spectra.background) for column in columns]
    design, errors = np.column_stack(white), innovations(spectra.known, *spectra.background)
    gram = design.T @ design
    gram[np.diag_indices_from(gram)] += _RIDGE * gram.diagonal().max()
    lines = design.T @ errors
    explained = lines @ np.linalg.solve(gram, lines) - lines[:2] @ np.linalg.solve(gram[:2, :2], lines[:2])
    return float(explained / max(float(errors @ errors), 1e-300))


def season_of(y: Floats, length: float, n_harmonics: int) -> tuple[Floats, float]:
    """Return the season of `y` (n,), and the share of the variance that the mean cycle explains around a moving mean.

    The season is the mean cycle, repeated, as far as its first harmonics tell it, those that were found: the others are
    noise, whose absence from what is left would make the rest of the noise look like lines.
    """
    n, n_phases = len(y), max(2, round(length))
    z = filled(y)
    width = n_phases + 1 - n_phases % 2
    padded = np.concatenate([np.full(width // 2, np.nan), z, np.full(width // 2, np.nan)])
    known = np.isfinite(padded)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, padded, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    around = z - (sums[width:] - sums[:-width]) / (counts[width:] - counts[:-width])
    weight = np.isfinite(y).astype(np.float64)
    if abs(length / n_phases - 1.0) * n < _DRIFT:
        length = n_phases
    turn = np.arange(n) / length % 1.0 * n_phases
    phase = np.minimum(turn.astype(np.int64) if length != n_phases else np.arange(n) % n_phases, n_phases - 1)
    count = np.maximum(np.bincount(phase, weight, n_phases), 1.0)
    cycle: Floats = np.bincount(phase, weight * around, n_phases) / count

    def repeated(course: Floats) -> Floats:
        if length == n_phases:
            return np.asarray(course[phase])
        return np.asarray(np.interp(turn, np.arange(n_phases) + 0.5, course, period=n_phases))

    season = repeated(cycle)
    n_known = weight.sum()
    total = (weight * (around - (weight * around).sum() / n_known) ** 2).sum() / (n_known - 1.0)
    left = (weight * (around - season) ** 2).sum() / max(1.0, n_known - n_phases)
    lines = np.fft.rfft(cycle)
    lines[_MORE_HARMONICS * n_harmonics + 1 :] = 0.0
    strength = float(np.clip(1.0 - left / total, 0.0, 1.0)) if total > 0.0 else 0.0
    return repeated(np.fft.irfft(lines, n_phases)), strength
