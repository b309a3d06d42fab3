"""RowPruner: which training rows a detector is better off without.

Law: a row leaves the reference set as a suspected anomaly - anomalies that lie together make each other look usual
[1]_ - or because the rows left describe the same density with fewer; it is still scored, as a new row. What may go
on mere suspicion is limited. Distances are in the units of the table, lower score = more abnormal.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from detectors.exceptions import InvalidTableError
from detectors.lof.references import MEASURE, MEASURE_PARAMETERS, metric_of
from detectors.lof.row_decision import decide_rows
from detectors.parameters import Rules, check_parameters, either, integer, nothing, random_state, real
from detectors.tables import check_magnitude, readable

__all__ = ["RowPruner"]


class RowPruner(BaseEstimator):
    """Removes training rows that mislead a detector: suspected anomalies, and rows beyond need.

    It changes the number of rows, so it is no transformer: `fit_resample` gives the rows that stay.

    Parameters
    ----------
    n_neighbors : int >= 1
        Neighbours of the local outlier factor that suspicion is measured with, and that the detector will use.
    metric : str or callable
        A distance that scikit-learn's neighbours know by name, or a function of two rows; not "precomputed". Those
        of Minkowski's family are compiled, the others take scikit-learn's time.
    p : float >= 1
        Exponent of "minkowski".
    metric_params : None or dict
        Further arguments of the distance.
    max_share : None or float in [0, 1)
        Share of the rows that may go on suspicion. None: 20 % less twice the share ``n_neighbors / n_rows``, at
        least 0.
    max_rows : None or int >= 2
        Rows that stay at most; of more a random part goes as condensed.
    random_state : None, int or RandomState
        Draws the rows that are compared with in large tables, and those that are condensed.

    Attributes
    ----------
    support_rows_ : ndarray of bool of shape (n_rows,)
        True for rows that stay.
    suspicion_ : ndarray of shape (n_rows,)
        How many times less dense than the core of the table a row lies; 0 inside the core.
    report_ : PruningReport
        Every row with kind and evidence.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    References
    ----------
    .. [1] Breunig, Kriegel, Ng, Sander: LOF: identifying density-based local outliers. SIGMOD 2000, definition 7.
    .. [2] Rousseeuw, Van Driessen: A fast algorithm for the minimum covariance determinant estimator.
       Technometrics 41(3), 1999.
    .. [3] Zimek, Gaudet, Campello, Sander: Subsampling for efficient and effective unsupervised outlier detection
       ensembles. KDD 2013, section 3 (condensing).

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import RowPruner
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(size=(570, 3)), rng.normal(5.0, 0.1, size=(30, 3))])
    >>> pruner = RowPruner(random_state=0)
    >>> kept = pruner.fit_resample(X)
    >>> int((~pruner.support_rows_[570:]).sum()), len(kept) > 450
    (30, True)
    """

    _parameters: ClassVar[Rules] = {
        "n_neighbors": integer(1),
        "metric": MEASURE,
        "p": real(1.0),
        "metric_params": MEASURE_PARAMETERS,
        "max_share": either(nothing(), real(0.0, 1.0, open_high=True)),
        "max_rows": either(nothing(), integer(2)),
        "random_state": random_state(),
    }

    def __init__(
        self,
        n_neighbors: int = 20,
        *,
        metric: Any = "minkowski",
        p: float = 2,
        metric_params: Any = None,
        max_share: float | None = None,
        max_rows: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.max_share = max_share
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Decide about every row of `X`.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : ignored

        Returns
        -------
        self
        """
        del y
        check_parameters(self, self._parameters)
        table = np.ascontiguousarray(validate_data(self, readable(X), dtype=np.float64, ensure_min_samples=2))
        metric = metric_of(self.metric, self.p, self.metric_params)
        largest = (np.finfo(np.float64).max / table.shape[1]) ** (1.0 / max(metric.p, 2.0)) / 4.0
        check_magnitude(table, largest, "so that distances are finite")
        decision = decide_rows(
            table,
            n_neighbors=int(self.n_neighbors),
            metric=metric,
            max_share=self.max_share,
            max_rows=self.max_rows,
            random_state=check_random_state(self.random_state),
        )
        self.support_rows_ = decision.keep
        self.suspicion_ = decision.suspicion
        self.report_ = decision.report()
        return self

    def fit_resample(self, X: Any, y: Any = None) -> Any:
        """Fit, and return the rows that stay.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,), optional
            Resampled alike.

        Returns
        -------
        X_kept : the container type of `X`, of shape (n_kept, n_features)
            Or the pair ``(X_kept, y_kept)`` if `y` is given.
        """
        if y is not None and _num_samples(y) != _num_samples(X):
            raise InvalidTableError(
                f"y must have one value per row of X, {_num_samples(X)}, got {_num_samples(y)}; pass the labels of all."
            )
        self.fit(X)
        check_is_fitted(self)
        rows = np.flatnonzero(self.support_rows_)
        kept = _safe_indexing(X, rows)
        return kept if y is None else (kept, _safe_indexing(y, rows))
