"""The spectrum of a series against its background: an AR(1) level, up to a random walk, seen through white noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tsprune.periods.kernels.background import PHI_GRID, RATIO_GRID, fit_background, innovations

__all__ = ["Whitened", "filled"]

Floats = NDArray[np.float64]

_N_FIT = 600  # ordinates that the background is fitted to; more do not change it


@dataclass(frozen=True)
class Whitened:
    """A series and its spectra, padded to `n_transform` rows, at frequencies k / n_transform.

    Attributes
    ----------
    known : ndarray of shape (n_timepoints,)
        The series less its line, NaN where it is missing.
    background : tuple of float
        Coefficient, variance of the steps and of the noise of the level-plus-noise model.
    n_transform : int
    white : ndarray of shape (n_transform // 2 + 1,)
        Periodogram of the prediction errors of the model: mean 1 in noise.
    excess : ndarray of shape (n_transform // 2 + 1,)
        Power of the series above the background.
    """

    known: Floats
    background: tuple[float, float, float]
    n_transform: int
    white: Floats
    excess: Floats

    @classmethod
    def of(cls, y: Floats) -> Self | None:
        """Return the spectra of `y` (n_timepoints,), NaN missing; None for a straight line."""
        n = len(y)
        z = filled(y)
        power = np.abs(np.fft.rfft(z)[1 : (n - 1) // 2 + 1]) ** 2 / n
        variance = power.mean()
        if variance <= 0.0:
            return None
        phi, step, noise = _background(power + 1e-13 * variance)
        known = np.where(np.isfinite(y), z, np.nan)
        errors = innovations(known, phi, step, noise)
        errors -= errors.mean()
        frequency = np.arange(1, len(power) + 1) / n
        local = np.maximum(1.0, _running_median(np.abs(np.fft.rfft(errors)[1 : len(power) + 1]) ** 2 / n))
        n_transform = 1 << math.ceil(math.log2((8 if n <= 20_000 else 4) * n))
        fine = np.arange(n_transform // 2 + 1) / n_transform
        local = np.interp(fine, frequency, local)
        white = np.abs(np.fft.rfft(errors, n_transform)) ** 2 / n / local
        spectrum = step / ((1.0 - phi) ** 2 + phi * 4.0 * np.sin(np.pi * fine) ** 2 + 1e-30) + noise
        excess = np.maximum(np.abs(np.fft.rfft(z, n_transform)) ** 2 / n - spectrum * local, 0.0)
        return cls(known, (phi, step, noise), n_transform, white, excess)

    def ordinates(self, power: Floats, length: float, order: NDArray[np.int64]) -> Floats:
        """Return the ordinates (k,) of a spectrum at the harmonics `order` (k,) of a cycle of `length` rows."""
        where = np.round(order * self.n_transform / length).astype(np.int64)
        return power[np.minimum(where, len(power) - 1)]

    def mask_lines(self, length: float) -> None:
        """Take out what a removed cycle of `length` rows left of its own lines: it is no second period."""
        n = len(self.known)
        cycles, fundamental = np.arange(len(self.white)) * (n / self.n_transform), n / length
        order = np.maximum(1.0, np.round(cycles / fundamental))
        self.white[np.abs(cycles - order * fundamental) < min(1.5, 0.25 * fundamental)] = 0.0


def filled(y: Floats) -> Floats:
    """Return `y` (n,) with missing values interpolated and the line through it taken off."""
    t = np.arange(len(y), dtype=np.float64)
    known = np.isfinite(y)
    z = np.interp(t, t[known], y[known])
    t -= t.mean()
    z = z - z.mean()
    return np.asarray(z - t * (t @ z) / (t @ t))


def _background(power: Floats) -> tuple[float, float, float]:
    """Fit level and noise to the ordinates (n,) at k / N: all the low ones, a sample of the others."""
    n = len(power)
    chosen = np.unique(np.round(np.geomspace(1, n, min(n, _N_FIT))).astype(np.int64))
    if n <= _N_FIT:
        chosen = np.arange(1, n + 1)
    edges = np.concatenate([[0.5], 0.5 * (chosen[1:] + chosen[:-1]), [n + 0.5]])
    four_sin2 = 4.0 * np.sin(0.5 * np.pi * chosen / (n + 0.5)) ** 2
    phi, step, noise, _ = fit_background(power[chosen - 1], four_sin2, np.diff(edges), PHI_GRID, RATIO_GRID)
    return float(phi), float(step), float(noise)


def _running_median(power: Floats) -> Floats:
    """Return the median of the ordinates (n,) around each frequency, as the mean of the exponential it belongs to."""
    n = len(power)
    centres = np.unique(np.round(np.geomspace(1, n, 60)).astype(np.int64))
    medians = [np.median(power[max(0, c - 1 - h) : c + h]) for c in centres for h in (max(5, int(0.35 * c)),)]
    return np.asarray(np.interp(np.log(np.arange(1, n + 1)), np.log(centres), medians)) / math.log(2.0)
