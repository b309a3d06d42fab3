"""JointForest: what the metrics of a stream have to do with each other, and a forest that sees it break.

Law: the forest is grown at fixed counts of rows, from a sample of fixed size, with a fixed seed; so whatever way the
rows came in, the same forest scores the same row. Lower score = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from tsprune.streaming.monitor.kernels.advance import log_change
from tsprune.streaming.monitor.kernels.relations import WEIGHTS, halve_sample, learn_relations, unexplained_rows

__all__ = ["JointForest"]

Integers = NDArray[np.int64]

# twenty kilobytes, 0.2 s to grow; benchmarks/streaming/joint.py: .35, with 64 rows .30, with twice as many of both .38
_TREES, _ROWS_PER_TREE = 32, 128
_STORED = ("leaf", "n_nodes", "feature", "threshold", "missing_left", "value")


class JointForest:
    """The sample, the relations and the forest of one monitor; a single metric has none of them.

    Parameters
    ----------
    n_metrics : int >= 1

    Attributes
    ----------
    sample : ndarray of float32 of shape (512, 2 * n_metrics), (0, 2) for a single metric
        Remainders of rows at even distances over the horizon.
    relations : ndarray of shape (2 * n_metrics, n_metrics + 2)
        What the metrics explain of each other, see `tsprune.kernels.relations`.
    kept : ndarray of bool of shape (2 * n_metrics,)
        Features that the forest looks at; none before the first forest.
    """

    def __init__(self, n_metrics: int) -> None:
        rows = at.SAMPLE_ROWS if n_metrics > 1 else 0
        self.sample = np.full((rows, 2 * n_metrics), np.nan, dtype=np.float32)
        self.relations = np.zeros((2 * n_metrics, n_metrics + WEIGHTS))
        self.kept = np.zeros(2 * n_metrics, dtype=bool)
        self._stored: dict[str, NDArray[Any]] = {}
        self._normaliser = 1.0
        self._trees: NDArray[Any] = np.zeros(0, np.uint32)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the kernel takes: sample, relations, and the packed forest."""
        return (self.sample, self.relations, self._trees)

    def grow(self, integers: Integers, horizon: float) -> None:
        """Grow a forest from the full sample, log which relations came or went, and make room in the sample."""
        from detectors import PrunedIsolationForest

        relations = learn_relations(self.sample)
        rows = unexplained_rows(self.sample, relations)
        if (rows != rows[0]).any():  # otherwise nothing moves, and there is nothing to learn
            detector = PrunedIsolationForest(_TREES, max_samples=_ROWS_PER_TREE, random_state=0).fit(rows)
            kept = np.asarray(detector.support_)
            forest = detector.forest_.on_columns(np.flatnonzero(kept)).compact()
            forest["value"] = forest["value"].astype(np.float32)  # what is saved is what scores
            n_metrics = len(kept) // 2
            for block in (slice(0, n_metrics), slice(n_metrics, None)):
                relations[block, WEIGHTS:][:, ~kept[block]] = 0.0
            self._log(kept, integers)
            self.relations, self.kept = relations, kept
            self._install(forest, float(detector.forest_.normaliser))
            integers[at.I_GROWN] += 1
        longer = 2 * integers[at.I_STRIDE] * at.SAMPLE_ROWS <= horizon
        halve_sample(self.sample, longer)
        integers[at.I_STRIDE] *= 2 if longer else 1
        integers[at.I_SAMPLED] = at.SAMPLE_ROWS // 2

    def _log(self, kept: NDArray[np.bool_], integers: Integers) -> None:
        """Log every metric that is joined to the others, or is no longer; kept (2 * n_metrics,)."""
        n_metrics = len(kept) // 2
        for metric in range(n_metrics):
            was, is_now = bool(self.kept[metric::n_metrics].any()), bool(kept[metric::n_metrics].any())
            if was != is_now:
                log_change(integers, int(integers[at.I_LAST_TIME]), metric, at.PART_RELATION, int(is_now))
                integers[at.I_CHANGED] += 1

    def _install(self, forest: Mapping[str, NDArray[Any]], normaliser: float) -> None:
        from detectors.isolation_forest.flat_forest import FlatForest

        self._stored, self._normaliser = dict(forest), normaliser
        self._trees = FlatForest.from_compact(forest, normaliser).packed

    def to_state(self) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return the normaliser and the arrays that are the whole of it."""
        arrays: dict[str, NDArray[Any]] = {
            "sample": self.sample,
            "relations": self.relations,
            "kept": self.kept.astype(np.uint8),
        }
        return self._normaliser, arrays | {f"forest.{name}": array for name, array in self._stored.items()}

    @classmethod
    def from_state(cls, normaliser: float, arrays: Mapping[str, NDArray[Any]]) -> JointForest:
        """Return the forest that `to_state` described."""
        found = cls(len(arrays["kept"]) // 2)
        found.sample, found.relations = arrays["sample"], arrays["relations"]
        found.kept = arrays["kept"].astype(bool)
        if "forest.leaf" in arrays:
            found._install({name: arrays[f"forest.{name}"] for name in _STORED}, normaliser)
        return found
