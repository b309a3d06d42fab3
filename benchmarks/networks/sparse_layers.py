"""Processor seconds and bytes of one layer stored dense and stored sparse, by width and share of zeros.

Usage: python benchmarks/networks/sparse_layers.py [--rows N] [--json]
A square layer of single-precision weights, zeros at random places; the activation is left out.

    WIDTH.SPARSITY.bulk     seconds of scipy's CSR product with N rows over those of the dense product
    WIDTH.SPARSITY.row      the same for one row
    WIDTH.SPARSITY.bytes    bytes of the CSR arrays over those of the dense matrix
    WIDTH.narrow            seconds of a dense layer of half the inputs and units over those of the whole, N rows

Ratios are medians of pairs timed one after the other; below 1 sparse is better.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

WIDTHS = (32, 64, 128, 256, 512)
SPARSITIES = (0.5, 0.8, 0.9, 0.95)
PAIRS = 7


def clock(call: Callable[[], object], repeats: int) -> float:
    begin = time.process_time()
    for _ in range(repeats):
        call()
    return time.process_time() - begin


def ratio(one: Callable[[], object], other: Callable[[], object], repeats: int) -> float:
    one(), other()
    return float(np.median([clock(one, repeats) / clock(other, repeats) for _ in range(PAIRS)]))


def measure(width: int, n_rows: int, rng: np.random.Generator) -> dict[str, float]:
    rows = rng.normal(size=(n_rows, width)).astype(np.float32)
    columns = np.ascontiguousarray(rows.T)  # the layout that CSR weights want: units x inputs, times inputs x rows
    single, column = rows[:1].copy(), rows[0].copy()
    figures = {}
    for sparsity in SPARSITIES:
        weights = rng.normal(size=(width, width)).astype(np.float32)
        weights[rng.random(weights.shape) < sparsity] = 0.0
        sparse = csr_array(weights.T)
        stored = sparse.data.nbytes + sparse.indices.nbytes + sparse.indptr.nbytes
        np.testing.assert_allclose(sparse @ columns, (rows @ weights).T, rtol=1e-3, atol=1e-3)
        figures |= {
            f"{width}.{sparsity}.bulk": ratio(lambda s=sparse: s @ columns, lambda w=weights: rows @ w, 3),
            f"{width}.{sparsity}.row": ratio(lambda s=sparse: s @ column, lambda w=weights: single @ w, 100),
            f"{width}.{sparsity}.bytes": stored / weights.nbytes,
        }
    half = np.ascontiguousarray(weights[: width // 2, : width // 2])
    narrow = np.ascontiguousarray(rows[:, : width // 2])
    figures[f"{width}.narrow"] = ratio(lambda: narrow @ half, lambda: rows @ weights, 3)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    figures: dict[str, float] = {}
    with threadpool_limits(1):
        for width in WIDTHS:
            figures |= measure(width, options.rows, rng)
    print(json.dumps(figures) if options.json else "\n".join(f"{k} = {v:.3g}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
