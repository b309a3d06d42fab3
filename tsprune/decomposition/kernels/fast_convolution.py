"""Correlation with wide kernels by Fourier transforms of segments (overlap-save).

A transform of size rows x columns runs in four steps: transforms down all columns at once, a turn of every element, a
transposition, transforms down the new columns. Every step works on whole rows, which is what vector units like. The
transforms decimate in frequency and leave their output in digit-reversed order; the way back takes it from there, and
the spectrum of the kernel is kept in the same order, so nothing is ever reordered. Two real segments make one complex
transform: a real kernel keeps the real and the imaginary part apart.

A buffer (rows, 2 columns) holds the real parts of a row, then its imaginary parts.

Bailey (1990), Journal of Supercomputing 4, 23-35 (four-step transform); Stockham (1966), AFIPS 28, 229-233
(overlap-save).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["backward", "correlate_segments", "forward", "load", "multiply", "spectrum_of", "turn_tables"]

Floats = NDArray[np.float64]

# side of the squares that are transposed at a time: a cache line of doubles
TILE = 8


def turn_tables(size: int) -> tuple[Floats, Floats, Floats]:
    """Return the turns down the columns (2, rows), down the new columns (2, columns), and between (rows, 2 columns).

    `size` = rows x columns is a power of two, at least `TILE` ** 2.
    """
    power = size.bit_length() - 1
    rows, columns = 1 << (power + 1) // 2, 1 << power // 2
    order = digit_reversed(rows)
    angle = 2.0 * np.pi / size * np.outer(order, np.arange(columns))
    return circle(rows), circle(columns), np.hstack([np.cos(angle), -np.sin(angle)])


def circle(size: int) -> Floats:
    """Return cos and -sin of 2 pi k / size, (2, size)."""
    angle = 2.0 * np.pi * np.arange(size) / size
    return np.stack([np.cos(angle), -np.sin(angle)])


def digit_reversed(size: int) -> NDArray[np.int64]:
    """Return the frequency at every output of `down_columns`: radix 4, one radix 2 step at the end if needed."""
    if size <= 2:
        return np.arange(size)
    inner = digit_reversed(size // 4)
    return np.concatenate([4 * inner + k for k in range(4)])


@njit(cache=True, fastmath={"contract"})
def down_columns(buffer: Floats, turns: Floats) -> None:
    """Transform all columns of `buffer` (rows, 2 columns) in place, to digit-reversed rows."""
    rows, columns = buffer.shape[0], buffer.shape[1] // 2
    length = rows
    while length >= 4:
        quarter, step = length // 4, rows // length
        for block in range(0, rows, length):
            for j in range(quarter):
                c1, s1 = turns[0, j * step], turns[1, j * step]
                c2, s2 = turns[0, 2 * j * step], turns[1, 2 * j * step]
                c3, s3 = turns[0, 3 * j * step], turns[1, 3 * j * step]
                i = block + j
                p0, p1, p2, p3 = buffer[i], buffer[i + quarter], buffer[i + 2 * quarter], buffer[i + 3 * quarter]
                for k in range(columns):
                    ar, ai = p0[k] + p2[k], p0[k + columns] + p2[k + columns]
                    br, bi = p0[k] - p2[k], p0[k + columns] - p2[k + columns]
                    cr, ci = p1[k] + p3[k], p1[k + columns] + p3[k + columns]
                    dr, di = p1[k + columns] - p3[k + columns], p3[k] - p1[k]
                    er, ei = br + dr, bi + di
                    fr, fi = ar - cr, ai - ci
                    gr, gi = br - dr, bi - di
                    p0[k] = ar + cr
                    p0[k + columns] = ai + ci
                    p1[k] = er * c1 - ei * s1
                    p1[k + columns] = er * s1 + ei * c1
                    p2[k] = fr * c2 - fi * s2
                    p2[k + columns] = fr * s2 + fi * c2
                    p3[k] = gr * c3 - gi * s3
                    p3[k + columns] = gr * s3 + gi * c3
        length = quarter
    if length == 2:
        add_and_subtract(buffer)


@njit(cache=True, fastmath={"contract"})
def up_columns(buffer: Floats, turns: Floats) -> None:
    """Undo `down_columns` up to the factor rows."""
    rows, columns = buffer.shape[0], buffer.shape[1] // 2
    length = 4
    power = rows
    while power >= 4:
        power //= 4
    if power == 2:
        length = 8
        add_and_subtract(buffer)
    while length <= rows:
        quarter, step = length // 4, rows // length
        for block in range(0, rows, length):
            for j in range(quarter):
                c1, s1 = turns[0, j * step], -turns[1, j * step]
                c2, s2 = turns[0, 2 * j * step], -turns[1, 2 * j * step]
                c3, s3 = turns[0, 3 * j * step], -turns[1, 3 * j * step]
                i = block + j
                p0, p1, p2, p3 = buffer[i], buffer[i + quarter], buffer[i + 2 * quarter], buffer[i + 3 * quarter]
                for k in range(columns):
                    er, ei = p1[k] * c1 - p1[k + columns] * s1, p1[k] * s1 + p1[k + columns] * c1
                    fr, fi = p2[k] * c2 - p2[k + columns] * s2, p2[k] * s2 + p2[k + columns] * c2
                    gr, gi = p3[k] * c3 - p3[k + columns] * s3, p3[k] * s3 + p3[k + columns] * c3
                    ar, ai = p0[k] + fr, p0[k + columns] + fi
                    br, bi = p0[k] - fr, p0[k + columns] - fi
                    cr, ci = er + gr, ei + gi
                    dr, di = gi - ei, er - gr
                    p0[k] = ar + cr
                    p0[k + columns] = ai + ci
                    p1[k] = br + dr
                    p1[k + columns] = bi + di
                    p2[k] = ar - cr
                    p2[k + columns] = ai - ci
                    p3[k] = br - dr
                    p3[k + columns] = bi - di
        length *= 4


@njit(cache=True)
def add_and_subtract(buffer: Floats) -> None:
    """Replace neighbouring rows of `buffer` (rows, any) by their sum and difference."""
    for i in range(0, buffer.shape[0], 2):
        p0, p1 = buffer[i], buffer[i + 1]
        for k in range(p0.shape[0]):
            total, difference = p0[k] + p1[k], p0[k] - p1[k]
            p0[k], p1[k] = total, difference


@njit(cache=True, fastmath={"contract"})
def multiply(buffer: Floats, factors: Floats, sign: float) -> None:
    """Multiply `buffer` by the complex `factors` (rows, 2 columns), conjugated if `sign` is -1, in place."""
    columns = buffer.shape[1] // 2
    for i in range(buffer.shape[0]):
        p, t = buffer[i], factors[i]
        for k in range(columns):
            c, s = t[k], sign * t[k + columns]
            x, y = p[k], p[k + columns]
            p[k] = x * c - y * s
            p[k + columns] = x * s + y * c


@njit(cache=True)
def transpose(buffer: Floats, out: Floats) -> None:
    """Write the transpose of `buffer` (rows, 2 columns) to `out` (columns, 2 rows), both multiples of `TILE`."""
    rows, columns = buffer.shape[0], buffer.shape[1] // 2
    for i in range(0, rows, TILE):
        p0, p1, p2, p3 = buffer[i], buffer[i + 1], buffer[i + 2], buffer[i + 3]
        p4, p5, p6, p7 = buffer[i + 4], buffer[i + 5], buffer[i + 6], buffer[i + 7]
        for k in range(columns):
            real, imaginary, m = out[k, i : i + TILE], out[k, rows + i : rows + i + TILE], k + columns
            real[0], real[1], real[2], real[3] = p0[k], p1[k], p2[k], p3[k]
            real[4], real[5], real[6], real[7] = p4[k], p5[k], p6[k], p7[k]
            imaginary[0], imaginary[1], imaginary[2], imaginary[3] = p0[m], p1[m], p2[m], p3[m]
            imaginary[4], imaginary[5], imaginary[6], imaginary[7] = p4[m], p5[m], p6[m], p7[m]


@njit(cache=True)
def forward(buffer: Floats, rows: Floats, columns: Floats, turns: Floats, out: Floats) -> None:
    """Transform `buffer` (rows, 2 columns), which is overwritten, to `out` (columns, 2 rows)."""
    down_columns(buffer, rows)
    multiply(buffer, turns, 1.0)
    transpose(buffer, out)
    down_columns(out, columns)


@njit(cache=True)
def backward(buffer: Floats, rows: Floats, columns: Floats, turns: Floats, out: Floats) -> None:
    """Undo `forward` up to the factor size: from `buffer` (columns, 2 rows), overwritten, to `out`."""
    up_columns(buffer, columns)
    transpose(buffer, out)
    multiply(out, turns, -1.0)
    up_columns(out, rows)


@njit(cache=True)
def load(x: Floats, start: int, part: int, buffer: Floats) -> None:
    """Copy x[start:] to the real (`part` 0) or imaginary (1) parts of `buffer`, zeros beyond the end of `x` (n,)."""
    columns = buffer.shape[1] // 2
    for i in range(buffer.shape[0]):
        row = buffer[i, part * columns : (part + 1) * columns]
        first = start + i * columns
        known = min(max(x.shape[0] - first, 0), columns)
        row[:known] = x[first : first + known]
        row[known:] = 0.0


@njit(cache=True)
def store(buffer: Floats, part: int, n_valid: int, start: int, out: Floats) -> None:
    """Copy the first `n_valid` real or imaginary parts to out[start:], as far as `out` (n_out,) goes."""
    columns = buffer.shape[1] // 2
    stop = min(out.shape[0], start + n_valid)
    for i in range(buffer.shape[0]):
        first = start + i * columns
        known = min(max(stop - first, 0), columns)
        out[first : first + known] = buffer[i, part * columns : part * columns + known]


@njit(cache=True)
def spectrum_of(taps: Floats, rows: Floats, columns: Floats, turns: Floats) -> Floats:
    """Return the spectrum (columns, 2 rows) that correlates with `taps` (window,), divided by the size."""
    n_rows, n_columns = rows.shape[1], columns.shape[1]
    size = n_rows * n_columns
    buffer, out = np.zeros((n_rows, 2 * n_columns)), np.empty((n_columns, 2 * n_rows))
    for k in range(taps.shape[0]):
        place = (size - k) % size
        buffer[place // n_columns, place % n_columns] = taps[k] / size
    forward(buffer, rows, columns, turns, out)
    return out


@njit(cache=True)
def correlate_segments(
    x: Floats, window: int, spectrum: Floats, rows: Floats, columns: Floats, turns: Floats, out: Floats
) -> None:
    """Write ``out[i] = sum_k taps[k] * x[i + k]`` for every i of `out` (n - window + 1,)."""
    buffer, flipped = np.empty((rows.shape[1], 2 * columns.shape[1])), np.empty((columns.shape[1], 2 * rows.shape[1]))
    n_valid = rows.shape[1] * columns.shape[1] - window + 1
    for start in range(0, out.shape[0], 2 * n_valid):
        load(x, start, 0, buffer)
        load(x, start + n_valid, 1, buffer)
        forward(buffer, rows, columns, turns, flipped)
        multiply(flipped, spectrum, 1.0)
        backward(flipped, rows, columns, turns, buffer)
        store(buffer, 0, n_valid, start, out)
        store(buffer, 1, n_valid, start + n_valid, out)
