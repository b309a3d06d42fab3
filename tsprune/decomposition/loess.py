"""LOESS of a whole series on a uniform grid, exact at any window, at a cost that does not depend on the window.

Points with a full window around them are one correlation with the tricube kernel: direct for narrow windows, by
segments of Fourier transforms for wide ones. Points near the ends are sums of moments (`kernels.loess_edges`). What
depends on the window alone is computed once and kept: O(window) doubles for each of the last few windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.kernels import fast_convolution as fast
from tsprune.decomposition.kernels import loess as kernels
from tsprune.decomposition.kernels.convolution import correlate
from tsprune.decomposition.kernels.loess_edges import apply_edges, edge_coefficients, fit_coefficients
from tsprune.decomposition.kernels.loess_segments import smooth_segments

__all__ = ["LoessPlan", "interior_row", "loess_plan", "raw_rows"]

Floats = NDArray[np.float64]

# windows from which transforms beat direct sums, measured: plain, and with weights per point
WIDE, WIDE_WEIGHTED = 129, 65
# windows up to which the ends are summed directly if there are weights: their sums may be tiny, and keep all digits
NARROW_ENDS = 255
# weight below this share of the full window's is rounding of the transforms
ROUNDING_SHARE = 1e-10
# mean of the tricube over [0, 1]
TRICUBE_MEAN = 81 / 140
# smallest transform, and its cost per element in units of one radix-2 step, apart from its steps
SMALLEST_TRANSFORM, TRANSFORM_OVERHEAD = 1024, 20


@dataclass(frozen=True)
class LoessPlan:
    """All that LOESS of `degree` over `window` points needs for series of `n_timepoints`, or of any n >= window."""

    n_timepoints: int
    window: int
    degree: int

    @property
    def half(self) -> int:
        """Rows at each end that have no full window; all rows, up to the middle, of a short series."""
        return self.window // 2 if self.n_timepoints >= self.window else (self.n_timepoints + 1) // 2

    def smooth(self, x: Floats, out: Floats) -> None:
        """Write the LOESS of `x` (n_timepoints,) to `out` (n_timepoints,)."""
        n, half, size = self.n_timepoints, self.half, min(self.n_timepoints, self.window)
        if n >= self.window:
            kernel = interior_row(self.window, True)
            inside = out[half : n - half]
            if self.window < WIDE:
                correlate(x, kernel, 1, inside)
            else:
                size_of = transform_size(inside.shape[0], self.window)
                fast.correlate_segments(x, self.window, spectra(self.window, size_of)[0], *turns(size_of), inside)
        coefficients = fitted_ends(size, self.window, self.degree)
        mirrored = np.empty(half)
        apply_edges(x[::-1][:size].copy(), coefficients, 0, mirrored)
        apply_edges(x[:size], coefficients, 0, out[:half])
        out[n - half :] = mirrored[::-1]

    def smooth_weighted(self, weights: Floats, weighted: Floats, share: float, out: Floats) -> None:
        """Write the LOESS with weights per point to `out` (n_timepoints,); NaN where weights do not suffice.

        `weights`, `weighted` (n_timepoints,): weights, and weights x values. `share`: the least share of the weight of
        a full window that is trusted; 0 trusts any.
        """
        n, half, size = self.n_timepoints, self.half, min(self.n_timepoints, self.window)
        farthest = np.inf if share == 0.0 else kernels.FARTHEST
        if n >= self.window:
            inside = out[half : n - half]
            row = interior_row(self.window, False)
            least = share * row.sum()
            if self.window < WIDE_WEIGHTED:
                kernels.smooth_inside(weights, weighted, raw_rows(self.window), 1, self.degree, least, farthest, inside)
            else:
                least = max(least, ROUNDING_SHARE * row.sum())
                size_of = transform_size(2 * inside.shape[0], self.window)
                smooth_segments(
                    weights, weighted, self.window, spectra(self.window, size_of)[1:], *turns(size_of), self.degree,
                    least, farthest, inside,
                )  # fmt: skip
        ends = np.empty((2, half))
        for k, which in enumerate((slice(None), slice(None, None, -1))):
            v, z = weights[which][:size].copy(), weighted[which][:size].copy()
            sums = np.empty((5, half))
            if self.window <= NARROW_ENDS:
                head = raw_head(size, self.window)
                kernels.edge_sums(v, z, head, 0, sums)
                least = share * float(head.sum(axis=1).min())
            else:
                coefficients = raw_ends(size, self.window)
                for row_of, (signal, power) in enumerate(((v, 0), (v, 1), (v, 2), (z, 0), (z, 1))):
                    apply_edges(signal, coefficients[power], 0, sums[row_of])
                least = max(share, ROUNDING_SHARE) * TRICUBE_MEAN * size
            kernels.finish_fits(
                sums[0], sums[1], sums[2], sums[3], sums[4], self.degree, size - 1.0, least, farthest, ends[k]
            )
        out[n - half :] = ends[1, ::-1]
        out[:half] = ends[0]


@lru_cache(maxsize=64)
def loess_plan(n_timepoints: int, window: int, degree: int) -> LoessPlan:
    """Return the plan of a LOESS."""
    return LoessPlan(n_timepoints, window, degree)


@lru_cache(maxsize=32)
def interior_row(window: int, fitted: bool) -> Floats:
    """Coefficients (window,) inside, or raw tricube weights; by symmetry the same for degrees 0 and 1."""
    return np.asarray(kernels.window_rows(window, window, 0 if fitted else -1, window // 2, window // 2 + 1)[0])


@lru_cache(maxsize=32)
def raw_rows(window: int) -> Floats:
    """Raw tricube weights inside times offset ** 0, 1, 2: (3, window)."""
    row, offset = interior_row(window, False), np.arange(window) - window // 2
    return np.stack([row, row * offset, row * offset**2])


@lru_cache(maxsize=16)
def raw_head(size: int, window: int) -> Floats:
    """Raw tricube weights (half, size) at the start of a series."""
    half = window // 2 if size == window else (size + 1) // 2
    return np.asarray(kernels.window_rows(size, window, -1, 0, half))


@lru_cache(maxsize=8)
def raw_ends(size: int, window: int) -> Floats:
    """Coefficients (3, 2, n_moments, half) of the raw sums at the start of a series."""
    return edge_coefficients(size, window, 0, window // 2 if size == window else (size + 1) // 2)


@lru_cache(maxsize=32)
def fitted_ends(size: int, window: int, degree: int) -> Floats:
    """Coefficients (2, n_moments, half) of the fits at the start of a series."""
    half = window // 2 if size == window else (size + 1) // 2
    return fit_coefficients(edge_coefficients(size, window, 0, half), size, 0, degree, kernels.SLOPE_SPREAD)


@lru_cache(maxsize=16)
def turns(size: int) -> tuple[Floats, Floats, Floats]:
    """Tables of a transform."""
    return fast.turn_tables(size)


@lru_cache(maxsize=8)
def spectra(window: int, size: int) -> Floats:
    """Spectra (4, columns, 2 rows): of the fit inside, and of the raw tricube times offset ** 0, 1, 2."""
    taps = (interior_row(window, True), *raw_rows(window))
    return np.stack([fast.spectrum_of(row, *turns(size)) for row in taps])


@lru_cache(maxsize=256)
def transform_size(n_out: int, window: int) -> int:
    """Return the power of two that makes `n_out` correlations with `window` points cheapest."""
    size = SMALLEST_TRANSFORM
    while size < window + 1:
        size *= 2
    best, cheapest = size, np.inf
    while size <= 4 * (window + n_out):
        segments = -(-n_out // (2 * (size - window + 1)))
        cost = segments * size * (size.bit_length() - 1 + TRANSFORM_OVERHEAD)
        if cost < cheapest:
            best, cheapest = size, cost
        size *= 2
    return best
