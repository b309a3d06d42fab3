"""Spikes and bursts: which points do not belong, and the gates that keep the cleaner's hands off the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning_model import SeriesModel, fit_model, seasonal_scale
from tsprune.kernels.patches import search_patches

__all__ = ["Patch", "find_patches"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

THRESHOLD = 5.0  # |z|: beyond the largest of 1e5 normal values, so that a few thousand tests stay quiet
_MISFIT = 9.0  # chi-square, 1 degree of freedom: a patch comes back to where it left within 3 standard errors
_MATERIAL = 2.0  # times the typical unpredictability a season ahead: what is smaller does not hurt a forecast
_MOST = 0.2  # share of points; a series with more "outliers" has another distribution, not outliers


@dataclass(frozen=True)
class Patch:
    """Rows ``start .. stop - 1`` are off by `size`; `statistic` is its z, beyond `threshold`."""

    start: int
    stop: int
    size: float
    statistic: float
    threshold: float

    @property
    def kind(self) -> str:
        """``"spike"`` (one or two rows) or ``"burst"``."""
        return "spike" if self.stop - self.start <= 2 else "burst"


def find_patches(
    x: Floats, bad: Mask, periods: tuple[int, ...], n_rounds: int = 2
) -> tuple[list[Patch], SeriesModel, list[str]]:
    """Return the patches of `x` (n_timepoints,), the model fitted without them, and what the gates said.

    `bad` rows (n_timepoints,) are left out of everything, as missing ones are.
    """
    missing = np.isnan(x) | bad
    period = periods[0] if periods else 1
    least = _MATERIAL * seasonal_scale(np.where(missing, np.nan, x), period)
    longest = max(6, min(period, 48))
    most = max(4, int(_MOST * x.size))
    out = np.zeros(x.size, bool)
    patches: list[Patch] = []
    work = np.where(missing, np.nan, x)
    for _ in range(n_rounds):
        model = fit_model(work, out, periods)
        starts, stops, sizes, zs, _rest = search_patches(
            model.adjusted, model.phi, model.weights(missing), 1, longest, THRESHOLD, _MISFIT, least, most
        )
        patches = [
            Patch(int(a), int(b), float(s), float(z), THRESHOLD)
            for a, b, s, z in sorted(zip(starts, stops, sizes, zs, strict=True))
        ]
        now = np.zeros(x.size, bool)
        for patch in patches:
            now[patch.start : patch.stop] = True
        if now.sum() > _MOST * x.size:
            said = (
                f"{now.sum()} of {x.size} points look like outliers, more than {_MOST:.0%}: that is the series' own "
                "distribution; none is changed"
            )
            return [], fit_model(work, np.zeros(x.size, bool), periods), [said]
        same = bool((now == out).all())
        out = now
        if same:
            break
    return patches, fit_model(work, out, periods), []
