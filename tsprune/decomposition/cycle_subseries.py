"""Smoothing of cycle-subseries: the values of one phase of the season, cycle after cycle.

All phases are smoothed side by side, which costs one product per point and per cycle of the window; subseries so long,
under windows so wide, that this does not pay are smoothed one by one by `tsprune.loess`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.kernels import loess as kernels
from tsprune.decomposition.kernels import stl as steps
from tsprune.decomposition.loess import interior_row, loess_plan, raw_rows

__all__ = ["LEAST_SHARE", "smooth_cycle_subseries"]

Floats = NDArray[np.float64]

# the least share of a window's weight that observed points must carry for a local fit to count
LEAST_SHARE = 0.05
# cycles within one window from which subseries are smoothed one by one
LONG = 512


def smooth_cycle_subseries(
    x: Floats, weights: Floats | None, incomplete: bool, period: int, window: int, degree: int, out: Floats
) -> None:
    """Smooth the cycle-subseries of `x` (n,), one cycle longer at both ends, into `out` (n + 2 period,).

    `weights` (n,): None for 1 everywhere; `incomplete`: some are 0 because nothing is known there.
    """
    n = x.shape[0]
    weighted = None if weights is None else weights * x
    if min(window, n // period) >= LONG:
        for phase in range(period):
            part = np.ascontiguousarray(x[phase::period])
            v = None if weights is None else np.ascontiguousarray(weights[phase::period])
            z = None if weighted is None else np.ascontiguousarray(weighted[phase::period])
            out[phase::period][: part.shape[0] + 2] = smooth_long(part, v, z, incomplete, window, degree)
    else:
        lengths = (n // period + 1, n // period)
        fits_inside = lengths[0] >= window
        if weights is None or weighted is None:
            row = interior_row(window, True) if fits_inside else np.empty(0)
            heads = [cycle_head(length, window, degree) for length in lengths]
            steps.smooth_cycles(x, period, row, heads[0], heads[1], out)
            return
        rows = raw_rows(window) if fits_inside else np.empty((3, 0))
        heads = [cycle_head(length, window, -1) for length in lengths]
        share = LEAST_SHARE if incomplete else 0.0
        steps.smooth_cycles_weighted(weights, weighted, period, rows, heads[0], heads[1], degree, share, out)
    if weights is None:
        return
    if not incomplete:
        body = out[period : n + period]
        np.copyto(body, x, where=np.isnan(body))
    if kernels.fill_along(out, period):
        kernels.fill_along(out, 1)


def smooth_long(
    x: Floats, weights: Floats | None, weighted: Floats | None, incomplete: bool, window: int, degree: int
) -> Floats:
    """Return the smooth of one subseries `x` (n,), one point longer at both ends: (n + 2,)."""
    n = x.shape[0]
    size = min(n, window)
    out = np.empty(n + 2)
    plan = loess_plan(n, window, degree)
    share = LEAST_SHARE if incomplete else 0.0
    if weights is None or weighted is None:
        plan.smooth(x, out[1:-1])
        outside = kernels.window_rows(n, window, degree, -1, 0)[0]
        out[0], out[-1] = outside @ x[:size], outside @ x[::-1][:size]
        return out
    plan.smooth_weighted(weights, weighted, share, out[1:-1])
    outside = kernels.window_rows(n, window, -1, -1, 0)
    farthest = np.inf if share == 0.0 else kernels.FARTHEST
    for place, step in ((0, 1), (n + 1, -1)):
        sums = np.empty((5, 1))
        # offsets count from the point outside, one step further than from the first point
        kernels.edge_sums(weights[::step][:size].copy(), weighted[::step][:size].copy(), outside, -1, sums)
        least = share * float(outside.sum())
        kernels.finish_fits(
            sums[0], sums[1], sums[2], sums[3], sums[4], degree, size - 1.0, least, farthest, out[place : place + 1]
        )
    return out


@lru_cache(maxsize=64)
def cycle_head(length: int, window: int, degree: int) -> Floats:
    """Rows of the fits at cycles -1, 0, ... that have no full window before them, for `length` cycles."""
    last = window // 2 if length >= window else (length + 1) // 2
    return np.asarray(kernels.window_rows(length, window, degree, -1, last))
