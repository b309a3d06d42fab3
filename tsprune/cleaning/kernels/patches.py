"""Additive patches in an autoregressive series: spikes, bursts, temporary levels, found by their likelihood ratio.

The seasonally adjusted series is an autoregression with innovations ``e[t] = sum_k phi[k] a[t - k]``
(``phi[0] = 1``). A patch of size ``w`` on rows ``start .. stop - 1`` adds ``w * x[t]`` to the innovations, where
``x[t] = s[t - start] - s[t - stop]`` and ``s`` are the partial sums of ``phi`` (Chang, Tiao & Chen, Technometrics 30
(1988) 193-204, section 2, for a patch of one row). With weights ``v[t]`` = 1 / variance the size is
``sum(v x e) / sum(v x x)`` and the evidence ``z = sum(v x e) / sqrt(sum(v x x))``, standard normal without a patch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = [
    "best_pairs",
    "best_patches",
    "innovations",
    "patch_fit",
    "search_patches",
    "step_evidence",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SWEEPS = 2  # in which near patches are fitted again
_BLOCK = 256  # rows whose largest evidence is remembered


@njit(cache=True)
def innovations(a: Floats, phi: Floats) -> Floats:
    """Return e (n_timepoints,) = phi applied to `a`; rows before the first are those after it, mirrored."""
    e = np.zeros(a.shape[0])
    first: Any = np.int64(0)  # not the literal: that would be compiled as a kind of its own
    _innovate(a, phi, first, a.shape[0], e)
    return e


@njit(cache=True)
def _innovate(a: Floats, phi: Floats, low: int, high: int, e: Floats) -> None:
    """Write the innovations of the rows from `low` to `high` - 1 into `e` (n_timepoints,)."""
    n, order = a.shape[0], phi.shape[0]
    for t in range(low, min(high, n)):
        total = 0.0
        for k in range(order):
            row = abs(t - k)
            total += phi[k] * a[row if row < n else n - 1]
        e[t] = total


@njit(cache=True)
def _largest(values: Floats, low: int, high: int, tops: Floats) -> int:
    """Row of the first largest size in `values` (n_timepoints,), that changed from `low` to `high` - 1 only.

    `tops` (n_blocks,) holds the largest size of every `_BLOCK` rows, so that no search looks at all of them.
    """
    n = values.shape[0]
    for block in range(max(low, 0) // _BLOCK, (min(high, n) + _BLOCK - 1) // _BLOCK):
        top = 0.0
        for t in range(block * _BLOCK, min((block + 1) * _BLOCK, n)):
            top = max(top, abs(values[t]))
        tops[block] = top
    block = int(np.argmax(tops))
    for t in range(block * _BLOCK, min((block + 1) * _BLOCK, n)):
        if abs(values[t]) == tops[block]:
            return t
    return 0


@njit(cache=True)
def patch_fit(
    e: Floats, v: Floats, ve_sum: Floats, v_sum: Floats, sums: Floats, start: int, stop: int, back: float
) -> tuple[float, float, float]:
    """Return sum(v x e), sum(v x x) of the patch `start .. stop - 1`, and how much two free steps explain.

    `ve_sum`, `v_sum` (n_timepoints + 1,) are running sums of ``v * e`` and ``v``; `sums` (order,) those of phi.
    """
    n, order = e.shape[0], sums.shape[0]
    last = sums[order - 1]
    aa, ab, bb, ae, be = 0.0, 0.0, 0.0, 0.0, 0.0
    middle = start + order - 1  # from here to stop the effect is constant
    for t in range(start, min(middle, stop, n)):
        x = sums[t - start]
        ae += v[t] * x * e[t]
        aa += v[t] * x * x
    if middle < stop:
        ae += last * (ve_sum[stop] - ve_sum[middle])
        aa += last * last * (v_sum[stop] - v_sum[middle])
    for t in range(stop, min(stop + order - 1, n)):
        x, y = sums[t - start] if t - start < order else last, sums[t - stop]
        ae += v[t] * x * e[t]
        be += v[t] * y * e[t]
        aa += v[t] * x * x
        ab += v[t] * x * y
        bb += v[t] * y * y
    free = v[start] * e[start] * e[start]
    if stop < n:
        free += v[stop] * e[stop] * e[stop]
        spread = aa * bb - ab * ab
        if spread > 1e-6 * aa * bb:
            free = max(free, (bb * ae * ae - 2.0 * ab * ae * be + aa * be * be) / spread)
    return ae - back * be, aa - 2.0 * back * ab + bb, free


@njit(cache=True)
def best_patches(
    e: Floats,
    v: Floats,
    sums: Floats,
    low: int,
    high: int,
    shortest: int,
    longest: int,
    misfit: float,
    least: float,
    back: float,
    z_best: Floats,
    stop_best: Integers,
    scratch: Floats,
) -> None:
    """Write the largest |z| over the lengths for every start in [low, high) into `z_best`, `stop_best`.

    A patch counts only where it explains as much as two free innovations at its edges, less `misfit` (in
    chi-square units) or a tenth of its own evidence: it must come back to where it left. Its size must be at least
    `least`. `scratch` (5, n_timepoints + 1) is room to work in, whatever it holds.
    """
    n, order = e.shape[0], sums.shape[0]
    first, last = max(low, 0), min(high, n)
    end = min(last + longest + order, n)  # nothing beyond has a say
    ve_sum, v_sum = scratch[0], scratch[1]
    ve_sum[first], v_sum[first] = 0.0, 0.0
    for t in range(first, end):
        ve_sum[t + 1] = ve_sum[t] + v[t] * e[t]
        v_sum[t + 1] = v_sum[t] + v[t]
    top = sums[order - 1]
    # behind a patch as long as the memory, its effect is `top` less what the step back makes of it, whatever its start
    back_e, back_v, back_vv = scratch[2], scratch[3], scratch[4]
    for stop in range(first + order - 1, end):
        back_e[stop], back_v[stop], back_vv[stop] = 0.0, 0.0, 0.0
        for t in range(stop, min(stop + order - 1, n)):
            y = sums[t - stop]
            back_e[stop] += v[t] * y * e[t]
            back_v[stop] += v[t] * y
            back_vv[stop] += v[t] * y * y
    for start in range(first, last):
        z_best[start], stop_best[start] = 0.0, start + 1
        if v[start] <= 0.0:
            continue
        middle = start + order - 1
        head_e, head_v = 0.0, 0.0
        for t in range(start, min(middle, n)):
            x = sums[t - start]
            head_e += v[t] * x * e[t]
            head_v += v[t] * x * x
        for stop in range(start + shortest, min(start + longest, n) + 1):
            if middle <= stop < n:
                beyond = min(stop + order - 1, n)
                ae = head_e + top * (ve_sum[beyond] - ve_sum[middle])
                aa = head_v + top * top * (v_sum[beyond] - v_sum[middle])
                be, ab, bb = back_e[stop], top * back_v[stop], back_vv[stop]
                xe, xx = ae - back * be, aa - 2.0 * back * ab + bb
                if xx <= 0.0:
                    continue
                z = xe / np.sqrt(xx)
                if abs(z) <= abs(z_best[start]) or abs(xe) < least * xx:
                    continue
                free = v[start] * e[start] * e[start] + v[stop] * e[stop] * e[stop]
                spread = aa * bb - ab * ab
                if spread > 1e-6 * aa * bb:
                    free = max(free, (bb * ae * ae - 2.0 * ab * ae * be + aa * be * be) / spread)
            else:
                xe, xx, free = patch_fit(e, v, ve_sum, v_sum, sums, start, stop, back)
                if xx <= 0.0:
                    continue
                z = xe / np.sqrt(xx)
            if abs(z) > abs(z_best[start]) and abs(xe) >= least * xx and free - z * z <= max(misfit, 0.1 * z * z):
                z_best[start], stop_best[start] = z, stop


@njit(cache=True)
def best_pairs(
    e: Floats,
    v: Floats,
    phi: Floats,
    sums: Floats,
    low: int,
    high: int,
    misfit: float,
    least: float,
    cost: float,
    z_best: Floats,
    size_best: Floats,
) -> None:
    """Write for every start in [low, high) the evidence for two neighbouring rows off by sizes of their own.

    `size_best` (n_timepoints, 2) receives the sizes; `z_best` is the root of the chi-square less `cost` for the
    second size. Both sizes must reach `least`.
    """
    n, order = e.shape[0], phi.shape[0]
    for start in range(max(low, 0), min(high, n)):
        z_best[start] = 0.0
        if start + 2 > n or v[start] <= 0.0 or v[start + 1] <= 0.0:
            continue
        aa, ab, bb, ae, be = 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(start, min(start + order + 1, n)):
            first = phi[t - start] if t - start < order else 0.0
            second = phi[t - start - 1] if t > start else 0.0
            aa += v[t] * first * first
            ab += v[t] * first * second
            bb += v[t] * second * second
            ae += v[t] * first * e[t]
            be += v[t] * second * e[t]
        spread = aa * bb - ab * ab
        if spread <= 1e-9 * aa * bb:
            continue
        first, second = (bb * ae - ab * be) / spread, (aa * be - ab * ae) / spread
        evidence = first * ae + second * be - cost
        if start + 2 >= n:
            free = v[start] * e[start] ** 2
        else:
            free = v[start] * e[start] ** 2 + v[start + 2] * e[start + 2] ** 2
        step = 0.0  # one lasting step is simpler, so the pair must beat it outright
        for row in range(start, min(start + 3, n)):
            xe, xx = 0.0, 0.0
            for t in range(row, min(row + order, n)):
                xe += v[t] * sums[t - row] * e[t]
                xx += v[t] * sums[t - row] ** 2
            if xx > 0.0:
                step = max(step, xe * xe / xx)
        if evidence < step:
            continue
        if min(abs(first), abs(second)) < least or evidence <= 0.0 or free - evidence > max(misfit, 0.1 * evidence):
            continue
        z_best[start] = np.sqrt(evidence)
        size_best[start, 0], size_best[start, 1] = first, second


@njit(cache=True)
def _move(rest: Floats, e: Floats, phi: Floats, start: int, stop: int, size: float, back: float) -> None:
    """Take `size` off the rows of a patch in `rest` (n_timepoints,), in place, with its innovations `e`."""
    n, order = rest.shape[0], phi.shape[0]
    for t in range(start, n if back < 0.0 else stop):
        rest[t] -= size * (2.0 if t >= stop else 1.0)
    first: Any = np.int64(0) if start < order else start
    _innovate(rest, phi, first, n if back < 0.0 else stop + order, e)


@njit(cache=True)
def _size_left(e: Floats, v: Floats, sums: Floats, start: int, stop: int, back: float) -> float:
    """Return the size that the patch `start .. stop - 1` still has in the innovations `e` (n_timepoints,)."""
    n, order = e.shape[0], sums.shape[0]
    xe, xx = 0.0, 0.0
    for t in range(start, min(stop + order - 1, n)):
        x = sums[min(t - start, order - 1)] - (back * sums[min(t - stop, order - 1)] if t >= stop else 0.0)
        xe += v[t] * x * e[t]
        xx += v[t] * x * x
    return xe / xx if xx > 0.0 else 0.0


@njit(cache=True)
def search_patches(
    a: Floats,
    phi: Floats,
    v: Floats,
    shortest: int,
    longest: int,
    threshold: float,
    misfit: float,
    least: float,
    cost: float,
    back: float,
    most: int,
) -> tuple[Integers, Integers, Floats, Floats, Floats]:
    """Take the patches out of `a` one by one, the strongest first, while |z| exceeds `threshold`.

    Sizes below `least` stay. Patches within the memory of each other are fitted again after each.

    Short ones go first (lengths up to `shortest`, then twice that, ...): two spikes look like two long patches
    that overlap, and explain as much.

    Returns
    -------
    start, stop, size, z : ndarrays of shape (n_patches,)
        In the order found; at most `most`.
    rest : ndarray of shape (n_timepoints,)
        The series without them.
    """
    n, order = a.shape[0], phi.shape[0]
    sums = np.cumsum(phi)
    rest = a.copy()
    e = innovations(rest, phi)
    z_best, stop_best = np.zeros(n), np.zeros(n, np.int64)
    z_pair, pair = np.zeros(n), np.zeros((n, 2))
    n_blocks = (n + _BLOCK - 1) // _BLOCK
    tops, tops_pair = np.zeros(n_blocks), np.zeros(n_blocks)
    scratch = np.empty((5, n + 1))
    starts, stops = np.empty(most, np.int64), np.empty(most, np.int64)
    sizes, zs = np.empty(most), np.empty(most)
    taken, is_pair = np.zeros(n, np.bool_), np.zeros(most, np.bool_)
    zero: Any = np.int64(0)  # not the literal: that would be compiled as a kind of its own
    found, reach, low, high = 0, shortest, zero, n
    while True:
        best_patches(e, v, sums, low, high, shortest, reach, misfit, least, back, z_best, stop_best, scratch)
        if reach > 1 and back > 0.0:
            best_pairs(e, v, phi, sums, low, high, misfit, least, cost, z_pair, pair)
        for t in range(max(low, 0), min(high, n)):
            if taken[t]:  # a place is taken once
                z_best[t] = 0.0
                z_pair[t] = 0.0
        start, double = _largest(z_best, low, high, tops), _largest(z_pair, low, high, tops_pair)
        as_pair = z_pair[double] > abs(z_best[start])
        strongest = z_pair[double] if as_pair else z_best[start]
        if found >= most or abs(strongest) <= threshold:
            if reach >= longest or found >= most:
                break
            reach = longest
            low, high = zero, n
            continue
        if as_pair:
            start, stop = double, double + 2
            first, second = pair[start, 0], pair[start, 1]
            size = first if abs(first) > abs(second) else second
            rest[start] -= first
            rest[start + 1] -= second
            taken[start + 1] = True
        else:
            stop = stop_best[start]
            xx = 0.0
            for t in range(start, min(stop + order - 1, n)):
                x = sums[min(t - start, order - 1)] - (back * sums[min(t - stop, order - 1)] if t >= stop else 0.0)
                xx += v[t] * x * x
            size = z_best[start] / np.sqrt(xx)
            for t in range(start, n if back < 0.0 else stop):
                rest[t] -= size * (2.0 if t >= stop else 1.0)
        starts[found], stops[found], sizes[found], zs[found] = start, stop, size, strongest
        is_pair[found] = as_pair
        found += 1
        taken[start] = True
        begin: Any = np.int64(0) if start < order else start
        _innovate(rest, phi, begin, n if back < 0.0 else stop + order, e)
        low, high = start - reach - order, stop + order + 1
        for sweep in range(_SWEEPS):  # patches so near feel each other: what the first took is the second's, too
            for k in range(found - 1, -1, -1):
                if is_pair[k] or starts[k] > stop + order or stops[k] + order < start:
                    continue
                if sweep == 0 and k == found - 1:
                    continue
                more = _size_left(e, v, sums, starts[k], stops[k], back)
                _move(rest, e, phi, starts[k], stops[k], more, back)
                sizes[k] += more
                low, high = min(low, starts[k] - reach - order), max(high, stops[k] + order + 1)
    return starts[:found], stops[:found], sizes[:found], zs[:found], rest


@njit(cache=True)
def step_evidence(e: Floats, v: Floats, sums: Floats) -> Floats:
    """Return z (n_timepoints,) of a step that starts at every row, seen in the innovations of its first rows."""
    n, order = e.shape[0], sums.shape[0]
    z = np.zeros(n)
    for start in range(1, n):
        xe, xx = 0.0, 0.0
        for t in range(start, min(start + order, n)):
            x = sums[t - start]
            xe += v[t] * x * e[t]
            xx += v[t] * x * x
        if xx > 0.0:
            z[start] = xe / np.sqrt(xx)
    return z
