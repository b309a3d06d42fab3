"""Slow and obvious twins of the monitor's kernels; they import nothing of what they judge."""

from __future__ import annotations

import math

import numpy as np


def naive_novelty(values: list[float], memory: float) -> list[float]:
    """Distance of every value to the nearest earlier one met at most `memory` rows ago; -1 if there is none."""
    met: dict[float, int] = {}
    found = []
    for row, value in enumerate(values):
        met = dict(met)
        while met:
            nearest = min(met, key=lambda other: (abs(other - value), other))
            if row - met[nearest] <= memory:
                break
            del met[nearest]
        found.append(abs(nearest - value) if met else -1.0)
        met[value] = row
    return found


def naive_rarity(values: list[float]) -> list[float]:
    """The p-value of every value among the earlier ones, where it is not beyond all of them (then: 1 / number)."""
    return [(sum(earlier >= value for earlier in values[:k]) + 1) / (k + 1) for k, value in enumerate(values)]


def naive_hill(values: list[float], value: float, share: float = 0.02, least: int = 10) -> float:
    """The p-value of a value beyond all earlier ones, by a power law through the highest ones."""
    ordered = sorted(values)
    k = max(least, int(share * len(ordered)))
    threshold = ordered[-k - 1]
    shape = max(sum(math.log(v / threshold) for v in ordered[-k:]) / k, 0.05)
    tail = k / (len(ordered) + 1) * (value / threshold) ** (-1 / shape)
    return max(min(1 / (len(ordered) + 1), tail), 1e-12)


def naive_views(values: np.ndarray) -> np.ndarray:
    """The seven views of the values so far, newest last."""
    last = values[-64:]
    recent, old = last[-32:], last[:-32]
    return np.array([
        last[-1], last[-24:].mean(), np.median(last[-32:]), last[-16:].max(), last[-16:].min(),
        recent.mean() - old.mean() if old.size else 0.0, last[-48:].std(),
    ])  # fmt: skip


def naive_onset(evidence: list[float], episode: int) -> list[float]:
    """Evidence where it is higher than in all of the `episode` rows before, else 0."""
    return [
        value if value > max([0.0, *evidence[max(0, k - episode) : k]]) else 0.0 for k, value in enumerate(evidence)
    ]


def _deviations(block: np.ndarray) -> np.ndarray:
    """Columns less their medians in standard deviations, at most 8; missing and constant ones 0."""
    spread = np.nanstd(block, axis=0)
    return np.nan_to_num(np.clip((block - np.nanmedian(block, axis=0)) / np.where(spread > 0, spread, 1.0), -8, 8))


def _concentration(z: np.ndarray) -> np.ndarray:
    """Inverse of the ridged correlations."""
    return np.linalg.inv(z.T @ z / len(z) + (0.05 + z.shape[1] / len(z)) * np.eye(z.shape[1]))


def naive_unexplained(sample: np.ndarray) -> np.ndarray:
    """What the other metrics do not explain of each, for the two halves of the columns."""
    found = []
    for block in np.split(sample, 2, axis=1):
        z = _deviations(block)
        inverse = _concentration(z)
        found.append(z @ inverse / np.sqrt(np.diag(inverse)))
    return np.hstack(found)


def naive_regression_residual(sample: np.ndarray, metric: int) -> np.ndarray:
    """Ridge regression of one column of the first half on the others of that half: its residuals."""
    z = _deviations(np.split(sample, 2, axis=1)[0])
    others = np.delete(z, metric, axis=1)
    ridge = (0.05 + z.shape[1] / len(z)) * len(z) * np.eye(others.shape[1])
    weights = np.linalg.solve(others.T @ others + ridge, others.T @ z[:, metric])
    return z[:, metric] - others @ weights
