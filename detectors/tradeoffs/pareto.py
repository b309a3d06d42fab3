"""The front between quality, features, time and size, measured and not modelled.

Law: every candidate is fitted, scored and saved, and what is reported is what was measured. Without labels quality
is a proxy: how reproducibly the candidate ranks rows, and how much it agrees with the others.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_array, check_random_state

from detectors.exceptions import InvalidParameterError, InvalidTableError, StoredModelError
from detectors.parameters import check_value, integer
from detectors.rank_correlation import rank_correlation
from detectors.tables import readable
from detectors.wrappers.engines import ENGINE, engine_scores

__all__ = ["ParetoFront", "pareto_front"]

Floats = NDArray[np.float64]

_COSTS = ("n_features", "seconds_per_row", "size_bytes")


@dataclass(frozen=True)
class ParetoFront:
    """What `pareto_front` measured.

    Parameters
    ----------
    table : DataFrame
        Index: names of the candidates. Columns: ``quality`` (larger is better), ``n_features``,
        ``seconds_per_row``, ``size_bytes`` (smaller is better), ``on_front``, ``knee``.
    """

    table: pd.DataFrame

    @property
    def knee(self) -> str:
        """Name of the candidate on the front nearest to the best of every figure."""
        return str(self.table.index[self.table["knee"]][0])

    @property
    def front(self) -> pd.DataFrame:
        """Candidates that no other one beats in every figure, best quality first."""
        return self.table[self.table["on_front"]].sort_values("quality", ascending=False)

    def plot(self, ax: Any = None, *, cost: str = "seconds_per_row") -> Any:
        """Draw quality over one cost; needs the extra ``plots``.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure without it.
        cost : {"seconds_per_row", "n_features", "size_bytes"}

        Returns
        -------
        matplotlib Axes
        """
        if cost not in _COSTS:
            raise InvalidParameterError(f"cost must be one of {', '.join(_COSTS)}, got {cost!r}.")
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("plot needs matplotlib: install the extra, `pip install 'tsprune[plots]'`.") from error
        if ax is None:
            _, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
        rest = self.table[~self.table["on_front"]]
        front = self.table[self.table["on_front"]].sort_values(cost)
        ax.scatter(rest[cost], rest["quality"], color="#adb5bd", label="beaten")
        ax.plot(front[cost], front["quality"], "o-", color="#2a6f97", label="front")
        knee = self.table[self.table["knee"]]
        ax.scatter(knee[cost], knee["quality"], s=160, facecolors="none", edgecolors="#c1121f", label="knee")
        for name, row in self.table.iterrows():
            ax.annotate(str(name), (row[cost], row["quality"]), textcoords="offset points", xytext=(5, 4), fontsize=8)
        ax.set(xlabel=cost.replace("_", " "), ylabel="quality", xscale="log" if cost != "n_features" else "linear")
        ax.legend()
        return ax


def pareto_front(
    candidates: Mapping[str, Any], X: Any, y: Any = None, *, n_rounds: int = 5, random_state: Any = None
) -> ParetoFront:
    """Measure candidates and mark those that no other one beats.

    Parameters
    ----------
    candidates : mapping of str to detector
        Unfitted detectors of this package, scikit-learn or PyOD; they are cloned.
    X : array-like of shape (n_rows, n_features)
        At least 20 rows.
    y : array-like of shape (n_rows,), optional
        1 = outlier. With labels quality is the AUC-ROC on held-out rows. Without, it is a proxy: the mean of the rank
        correlation between two fits to disjoint halves of the other rows, and the rank correlation with the mean
        rank that all candidates give. A proxy rewards agreement, which is not the same as being right.
    n_rounds : int >= 1
        Timings of one row; the median counts.
    random_state : None, int or RandomState
        Splits the rows.

    Returns
    -------
    ParetoFront

    Raises
    ------
    InvalidParameterError
        If there is no candidate, or one that is no detector or cannot be stored.
    InvalidTableError
        If there are fewer than 20 rows, `y` holds anything but a 0 or 1 for every row, or has one class only among
        the rows held out.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal, Meyarivan: A fast and elitist multiobjective genetic algorithm: NSGA-II. IEEE
       Transactions on Evolutionary Computation 6(2), 2002, section III.A (dominance).

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import PrunedIsolationForest, pareto_front
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> front = pareto_front(
    ...     {f"{n} trees": PrunedIsolationForest(n, prune_features=False, random_state=0) for n in (5, 50)},
    ...     X, random_state=0)
    >>> bool(front.table.loc["50 trees", "quality"] > front.table.loc["5 trees", "quality"])
    True
    """
    check_value("n_rounds", n_rounds, integer(1), owner="pareto_front")
    if not isinstance(candidates, Mapping):
        raise InvalidParameterError(
            f"candidates must map names to detectors, got {type(candidates).__name__}; name them in a dict."
        )
    if not candidates:
        raise InvalidParameterError("candidates must name at least one detector, got none.")
    for name, candidate in candidates.items():
        check_value(f"candidates[{name!r}]", candidate, ENGINE, owner="pareto_front")
    rows = check_array(readable(X), dtype=np.float64, order="C", ensure_all_finite="allow-nan")
    if len(rows) < 20:
        raise InvalidTableError(f"pareto_front needs at least 20 rows to judge candidates, got {len(rows)}.")
    rng = check_random_state(random_state)
    order = rng.permutation(len(rows))
    judged, one, two = np.array_split(order, 3)
    truth = None if y is None else _labels(y, len(rows))[judged]
    if truth is not None and len(np.unique(truth)) != 2:
        raise InvalidTableError("y must have both classes among the rows held out; pass more rows or more outliers.")
    scores, stability, costs = {}, {}, {}
    for name, candidate in candidates.items():
        model = clone(candidate).fit(rows[np.concatenate([one, two])])
        scores[name] = engine_scores(model, rows[judged])
        if truth is None:
            halves = [engine_scores(clone(candidate).fit(rows[half]), rows[judged]) for half in (one, two)]
            stability[name] = rank_correlation(*halves)
        costs[name] = (_n_features(model, rows.shape[1]), _seconds(model, rows[judged][:1], n_rounds), _size(model))
    table = pd.DataFrame.from_dict(costs, orient="index", columns=list(_COSTS))
    if truth is None:
        consensus = np.mean([np.argsort(np.argsort(s)) for s in scores.values()], axis=0)
        quality = {n: 0.5 * (stability[n] + rank_correlation(s, consensus)) for n, s in scores.items()}
    else:
        quality = {n: float(roc_auc_score(truth, -s)) for n, s in scores.items()}
    table.insert(0, "quality", pd.Series(quality))
    table["on_front"] = _undominated(table)
    table["knee"] = table.index == _knee(table)
    return ParetoFront(table)


def _labels(y: Any, n_rows: int) -> NDArray[np.int64]:
    """Labels (n_rows,), 1 = outlier and 0 = usual; scikit-learn's -1 and +1 would turn the quality round."""
    labels = np.asarray(y)
    if labels.shape not in ((n_rows,), (n_rows, 1)):
        raise InvalidTableError(f"y must hold one label per row, {n_rows}, got an array of shape {labels.shape}.")
    found = pd.unique(labels.ravel())
    if not all(label in (0, 1) for label in found):
        raise InvalidTableError(
            f"y must be 1 for outliers and 0 for usual rows, got {found.tolist()[:5]}; for labels -1 and +1 "
            "pass `y == -1`."
        )
    return labels.ravel().astype(np.int64)


def _n_features(model: Any, n_features: int) -> int:
    """Number of features that the scores depend on."""
    support = getattr(model, "support_", None)
    mask = np.asarray(support) if support is not None else np.zeros(0)
    return int(mask.sum()) if mask.dtype == bool and mask.shape == (n_features,) else n_features


def _seconds(model: Any, row: Floats, n_rounds: int) -> float:
    """Median seconds to score one row (1, n_features), after one call to warm up."""
    engine_scores(model, row)
    seconds = []
    for _ in range(n_rounds):
        start = time.perf_counter()
        engine_scores(model, row)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def _size(model: Any) -> int:
    """Bytes of the saved model; of its pickle if it has no `save`, or a parameter that no file holds."""
    if callable(getattr(model, "save", None)):
        with TemporaryDirectory() as folder, suppress(StoredModelError):  # a function among its parameters
            path = Path(folder) / "model"
            model.save(path)
            return path.stat().st_size
    try:
        return len(pickle.dumps(model))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidParameterError(
            f"candidates must be stored to measure their size, {type(model).__name__} cannot be ({error}); define the "
            "functions among its parameters in a module."
        ) from error


def _undominated(table: pd.DataFrame) -> NDArray[np.bool_]:
    """True (n_candidates,) where no other candidate is at least as good in all figures and better in one."""
    figures = np.column_stack([-table["quality"], *(table[c] for c in _COSTS)]).astype(np.float64)
    beaten = [
        bool(((figures <= own).all(axis=1) & (figures < own).any(axis=1)).any()) for own in figures
    ]  # fmt: skip
    return ~np.array(beaten)


def _knee(table: pd.DataFrame) -> Any:
    """Name on the front with the least distance to the ideal point; figures scaled by their range on the front."""
    front = table[table["on_front"]]
    costs = [np.log(front[c].to_numpy(dtype=np.float64)) for c in _COSTS]
    figures = np.column_stack([-front["quality"].to_numpy(dtype=np.float64), *costs])
    spread = np.ptp(figures, axis=0)
    scaled = (figures - figures.min(axis=0)) / np.where(spread > 0, spread, 1.0)
    return front.index[int((scaled**2).sum(axis=1).argmin())]
