"""Local outlier factor by its definitions (Breunig et al. 2000, definitions 3 to 7), in loops."""

from __future__ import annotations


def distance(a, b, p):
    gaps = [abs(x - y) for x, y in zip(a, b, strict=True)]
    if p == float("inf"):
        return max(gaps)
    return sum(g**p for g in gaps) ** (1.0 / p)


def neighbours(row, references, k, p, skip=-1):
    """The k nearest references as (distance, number), nearest first."""
    found = sorted((distance(row, r, p), j) for j, r in enumerate(references) if j != skip)
    return found[:k]


def factors(rows, references, k, p=2.0, floor=1e-10):
    """Negative factors of new `rows`."""
    own = [neighbours(r, references, k, p, skip=j) for j, r in enumerate(references)]
    kth = [found[-1][0] for found in own]

    def spread(found):
        return sum(max(d, kth[j]) for d, j in found) / len(found) + floor

    spreads = [spread(found) for found in own]
    out = []
    for row in rows:
        found = neighbours(row, references, k, p)
        out.append(-sum(spread(found) / spreads[j] for _, j in found) / len(found))
    return out
