"""Denoising of one series: candidates, and the evidence that decides between them and keeping everything.

Law: noise goes only on two kinds of evidence. A moving level seen through white noise explains the series clearly
better than any autoregression, which has no noise to remove; and left-out values are predicted better through the
denoiser than from their neighbours taken at face value. White noise, autoregressions and random walks stay as they
are: nothing in them can be told from signal.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHORTEST", "Denoised", "LocalLevel", "choose_denoiser", "is_white", "kalman_smooth", "wavelet_shrink"]

Floats = NDArray[np.float64]
Smoother = Callable[[Floats], Floats]

SHORTEST = 50  # values; with fewer, chance decides what predicts better
_SPACING = 8  # every 8th value is left out at a time
_MAX_ORDER = 6  # of the autoregressions; positions nearer to the ends are not left out
_N_RECENT = 4096  # known values that variances are fitted to and evidence is taken from: the last ones
_N_LEFT_OUT = 4000  # values; more make the test no sharper than it need be
_SHIFTS = 8  # circular shifts averaged: Coifman, Donoho (1995)
_N_LAGS = 20


@dataclass(frozen=True)
class LocalLevel:
    """A random-walk level seen through white noise: variances of its step and of the noise, in squared units."""

    step: float
    noise: float


@dataclass(frozen=True)
class Denoised:
    """The outcome of the choice.

    Attributes
    ----------
    method : str
        ``"none"``, ``"kalman"`` or ``"wavelet"``.
    signal : ndarray of shape (n_timepoints,)
        Finite everywhere; the series itself for ``"none"``.
    gain : float
        Share of the squared error of predicting left-out values from their neighbours that the best denoiser saves;
        negative if it is worse; 0 if it was not tried.
    p_value : float
        The larger of two: of no gain (one-sided, over all denoisers tried), and the approximate Bayes factor of the
        best autoregression over a level in noise, ``exp(BIC difference / 2)``.
    level : LocalLevel
        The fitted local level, for the causal filter.
    """

    method: str
    signal: Floats
    gain: float
    p_value: float
    level: LocalLevel


def choose_denoiser(y: Floats, *, methods: tuple[str, ...], alpha: float | None, wavelet: str) -> Denoised:
    """Choose by prediction of left-out values.

    Parameters
    ----------
    y : ndarray of shape (n_timepoints,)
        At least `SHORTEST` finite values that differ; NaN is missing. The variances of the local level and all
        evidence are those of the last 4096 known values; all values are denoised.
    methods : tuple of {"kalman", "wavelet"}
        Candidates.
    alpha : float or None
        Level of significance for a gain over keeping everything; None takes the best candidate in any case.
    wavelet : str
        Name of an orthogonal wavelet of PyWavelets.

    Returns
    -------
    Denoised

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> walk = np.cumsum(rng.normal(size=500))
    >>> options = {"methods": ("kalman", "wavelet"), "alpha": 0.01, "wavelet": "sym8"}
    >>> choose_denoiser(walk, **options).method
    'none'
    >>> found = choose_denoiser(walk + rng.normal(0, 3, 500), **options)
    >>> print(found.method, round(float(np.std(found.signal - walk)), 1))
    kalman 1.2
    """
    from scipy.stats import norm

    recent = y[np.flatnonzero(np.isfinite(y))[-_N_RECENT:][0] :]
    if np.nanmax(recent) == np.nanmin(recent):
        return Denoised("none", y, 0.0, 1.0, LocalLevel(0.0, 0.0))
    found = _fit_level(recent, "local level")
    level = LocalLevel(*found.variances)
    doubt = _bayes_factor_of_no_noise(recent, found)
    if alpha is not None and doubt >= alpha:
        return Denoised("none", y, 0.0, doubt, level)
    smoothers: dict[str, Smoother] = {
        "kalman": lambda z: kalman_smooth(z, level),
        "wavelet": lambda z: wavelet_shrink(z, wavelet),
    }
    folds = _folds(recent)
    keep = (recent - _neighbour_prediction(recent))[np.concatenate(folds)] ** 2
    best, gain, p_value = methods[0], -np.inf, 1.0
    for method in methods if keep.size else ():
        losses = np.concatenate([_left_out_loss(recent, fold, smoothers[method]) for fold in folds])
        saved = keep - losses
        spread = float(np.std(saved)) / math.sqrt(saved.size)
        share = float(saved.mean()) / float(keep.mean()) if keep.any() else 0.0
        if share > gain:
            z = float(saved.mean()) / spread if spread > 0.0 else 0.0
            best, gain, p_value = method, share, min(1.0, len(methods) * float(norm.sf(z)))
    gain, p_value = gain if keep.any() else 0.0, max(p_value, doubt)
    if alpha is not None and p_value >= alpha:
        return Denoised("none", y, gain, p_value, level)
    return Denoised(best, smoothers[best](y), gain, p_value, level)


@dataclass(frozen=True)
class _LevelFit:
    """A level seen through white noise: variances (step, noise), log densities (n,) of each value given the past."""

    variances: tuple[float, float]
    log_density: Floats


def _fit_level(y: Floats, kind: str) -> _LevelFit:
    """Fit a "local level" or a "smooth trend" to `y` (n,), NaN missing, by maximum likelihood (statsmodels).

    References
    ----------
    Harvey (1989), Forecasting, structural time series models and the Kalman filter, sections 2.3.1 and 2.3.2.
    """
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    scale = float(np.nanstd(y))
    model = UnobservedComponents((y - np.nanmean(y)) / scale, level=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no convergence: the left-out values judge what came out
        found = model.fit(disp=False, maxiter=100)
    noise, step = (max(float(v), 0.0) * scale**2 for v in found.params)
    return _LevelFit((step, noise), np.asarray(found.llf_obs) - math.log(scale))


def _bayes_factor_of_no_noise(y: Floats, level: _LevelFit) -> float:
    """Return how much better the best autoregression explains `y` (n,) than a level in noise: exp of half the BICs.

    All log densities are conditional on the past and compared on the same rows. Kass, Raftery (1995), J. American
    Statistical Association 90, section 4.1.3.
    """
    lagged = np.lib.stride_tricks.sliding_window_view(y, _MAX_ORDER + 1)
    rows = np.flatnonzero(np.isfinite(lagged).all(axis=1))
    n = rows.size
    if n < SHORTEST // 2:
        return 1.0
    target = lagged[rows, -1]
    bic_without = np.inf
    for order in range(_MAX_ORDER + 1):
        design = np.column_stack([np.ones(n), lagged[rows, _MAX_ORDER - order : _MAX_ORDER]])
        error = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
        variance = max(float(error @ error) / n, 1e-300)
        bic_without = min(bic_without, n * (math.log(2.0 * math.pi * variance) + 1.0) + (order + 2) * math.log(n))
    fits = [level, _fit_level(y, "smooth trend")]
    bic_with = min(-2.0 * float(fit.log_density[rows + _MAX_ORDER].sum()) + 2.0 * math.log(n) for fit in fits)
    return math.exp(min(0.0, 0.5 * (bic_with - bic_without)))


def kalman_smooth(y: Floats, level: LocalLevel) -> Floats:
    """Return the smoothed local level (n,) of `y` (n,), NaN missing, finite everywhere (statsmodels)."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    middle, scale = float(np.nanmean(y)), float(np.nanstd(y)) or 1.0
    model = UnobservedComponents((y - middle) / scale, level="local level")
    params = np.array([max(level.noise / scale**2, 1e-12), level.step / scale**2])
    return np.asarray(model.smooth(params).smoothed_state[0], dtype=np.float64) * scale + middle


def wavelet_shrink(y: Floats, wavelet: str) -> Floats:
    """Return `y` (n,) shrunk in a translation-invariant wavelet basis; missing values are interpolated first.

    Every level gets the soft threshold of least unbiased risk, or the universal one where the level is sparse; the
    noise level is that of the finest details.

    References
    ----------
    Donoho, Johnstone (1995), J. American Statistical Association 90, section 2.4. Coifman, Donoho (1995), Lecture
    Notes in Statistics 103, section 3.
    """
    import pywt

    y = _filled(y)
    n = y.size
    depth = pywt.dwt_max_level(n, pywt.Wavelet(wavelet).dec_len)
    if depth == 0:
        return y
    pad = min(n - 1, 2 ** int(depth) + _SHIFTS)
    padded = np.pad(y, pad, mode="reflect")
    total = np.zeros(n)
    dust = 1e-150 * float(np.abs(y).max())  # noise that squares of ratios to it would overflow beside is none
    for shift in range(_SHIFTS):
        coarse, *details = pywt.wavedec(padded[shift:], wavelet, mode="symmetric", level=depth)
        sigma = float(np.median(np.abs(details[-1]))) / 0.6745
        if sigma > dust:
            details = [_soft(d, sigma * _sure_threshold(d / sigma)) for d in details]
        total += pywt.waverec([coarse, *details], wavelet, mode="symmetric")[pad - shift : pad - shift + n]
    return np.asarray(total / _SHIFTS)


def is_white(y: Floats) -> bool:
    """Tell whether `y` (n,), NaN missing, passes for white noise: Ljung, Box (1978), Biometrika 65, eq. 1.3."""
    from scipy.stats import chi2

    z = np.where(np.isnan(y), 0.0, y - np.nanmean(y))
    n = int(np.isfinite(y).sum())
    n_lags = min(_N_LAGS, n // 5)
    lags = np.arange(1, n_lags + 1)
    correlation = np.array([z[k:] @ z[:-k] for k in lags]) / (z @ z)
    statistic = n * (n + 2.0) * float((correlation**2 / (n - lags)).sum())
    return bool(chi2.sf(statistic, n_lags) > 0.05)


def _soft(x: Floats, threshold: float) -> Floats:
    """Return coefficients (m,) shrunk towards 0; PyWavelets' own divides by zero where a coefficient is 0."""
    return np.asarray(np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0))


def _sure_threshold(x: Floats) -> float:
    """Return the threshold for coefficients (m,) of unit noise: Donoho, Johnstone (1995), eqs. 10 and 13."""
    m = x.size
    universal = math.sqrt(2.0 * math.log(m)) if m > 1 else 0.0
    if (float(x @ x) - m) / m <= math.log2(max(m, 2)) ** 1.5 / math.sqrt(m):
        return universal
    square = np.sort(x**2)
    risk = m - 2.0 * np.arange(1, m + 1) + np.cumsum(square) + square * np.arange(m - 1, -1, -1)
    return min(universal, math.sqrt(float(square[int(np.argmin(risk))])))


def _filled(y: Floats) -> Floats:
    """Return `y` (n,) with missing values interpolated."""
    known = np.flatnonzero(np.isfinite(y))
    return y if known.size == y.size else np.interp(np.arange(y.size), known, y[known])


def _folds(y: Floats) -> list[NDArray[np.int64]]:
    """Return the positions to leave out, one array per round: known values with known neighbours."""
    known = np.isfinite(y)
    inner = np.arange(_MAX_ORDER, y.size - _MAX_ORDER)
    inner = inner[known[inner] & known[inner - 1] & known[inner + 1]]
    folds = [inner[inner % _SPACING == k] for k in range(_SPACING)]
    n_folds = min(_SPACING, max(1, math.ceil(_N_LEFT_OUT / max(1, max(fold.size for fold in folds)))))
    return folds[:n_folds]


def _left_out_loss(y: Floats, fold: NDArray[np.int64], smoother: Smoother) -> Floats:
    """Return the squared errors (m,) at the positions of a fold, predicted without them."""
    z = y.copy()
    z[fold] = np.nan
    return np.asarray((y - smoother(z))[fold] ** 2)


def _neighbour_prediction(y: Floats) -> Floats:
    """Predict every value of `y` (n,) from its two neighbours taken at face value, as a noiseless AR(1) does.

    Brockwell, Davis (1991), Time Series: Theory and Methods, problem 5.23.
    """
    z = _filled(y)
    middle = z.mean()
    z = z - middle
    phi = float(z[1:] @ z[:-1]) / float(z[:-1] @ z[:-1])
    out = np.full(z.size, middle)
    out[1:-1] += phi / (1.0 + phi**2) * (z[:-2] + z[2:])
    return out
