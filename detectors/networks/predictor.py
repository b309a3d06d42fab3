"""PrunedPredictor: errors of predicting the next row of a series, by small causal convolutions that are pruned.

Law: the score of a row depends on no later row; a series outside `support_` has no influence. Lower = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state

from detectors.blas import one_blas_thread
from detectors.networks.compiled import CLIP, grown
from detectors.networks.convolution import ConvolutionNet, lagged, trained_net
from detectors.networks.filters import lag_regression, pruned_filters
from detectors.networks.fitting import standardisation
from detectors.networks.linear_twin import better_by_blocks
from detectors.networks.training import one_at_a_time
from detectors.parameters import Rules, boolean, integer, random_state, real
from detectors.rank_correlation import rank_correlation
from detectors.report import PruningRecord, PruningReport
from detectors.tables import check_magnitude
from detectors.wrappers.compiled import CompiledDetector
from detectors.wrappers.pruned_detector import CONTAMINATION

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["PrunedPredictor"]

Floats = NDArray[np.float64]

_LARGEST = 1e150
_ALARMS = 0.01
_HELD = 0.2  # the last share of the rows stops the training and judges
_BLOCKS = 10
_FEWEST = 20  # rows; of fewer, the lags of a linear twin score


class PrunedPredictor(CompiledDetector):
    """Detect rows of a series that cannot be predicted from the rows before them; filters are pruned.

    Two layers of causal convolutions and a linear head predict every row from the `taps` ** 2 rows before it. Use it
    for series whose next values follow from the last ones, by itself or as ``SeriesDetector(detector=...)``. Rows are
    times, in their order and evenly spaced: for tables whose rows have no order take `PrunedAutoencoder`. The first
    rows of a batch are predicted from the mean.

    Parameters
    ----------
    n_filters : int >= 1, default=32
        Filters of each of the two layers before pruning. Larger costs time in training.
    taps : int in [1, 32], default=5
        Rows that a filter sees; 5 look back 25 rows.
    alpha : float >= 0, default=1e-3
        Weight decay. Larger is smoother and prunes smaller.
    learning_rate_init : float > 0, default=2e-3
        Step size of Adam.
    max_iter : int >= 1, default=40
        Epochs at most.
    n_iter_no_change : int >= 1, default=6
        Epochs without progress on held-out rows before training stops.
    prune : bool, default=True
        Prune the filters. False leaves the network whole.
    fidelity : float in (0, 1], default=0.995
        Least Spearman correlation of the pruned network's scores with the whole one's, on held-out rows.
    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of outliers among the fitted rows; "auto" is 0.01.
    random_state : None, int or RandomState, default=None
        Random seed.
    prune_features : bool, default=True
        Leave out series that a `FeaturePruner` finds irrelevant.

    Attributes
    ----------
    net_ : ConvolutionNet or None
        The network that scores; None if ridge regression on lags does.
    n_parameters_ : int
        Weights and biases of what scores.
    n_iter_ : int
        Epochs of the training; not there after `load`.
    model_report_ : PruningReport
        Every filter with its price; figures on losses, fidelity and size.
    support_, report_, offset_
        As in `PrunedDetector`.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    See Also
    --------
    PrunedAutoencoder : for tables and windows.

    References
    ----------
    .. [1] Munir, Siddiqui, Dengel, Ahmed: DeepAnT: a deep learning approach for unsupervised anomaly detection in
       time series. IEEE Access 7, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import PrunedPredictor
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(1500)[:, None]
    >>> X = np.sin(t / np.array([4.0, 7.0, 4.0])) + 0.05 * rng.normal(size=(1500, 3))
    >>> X[1000] += [1.0, -1.0, 1.0]
    >>> model = PrunedPredictor(random_state=0, prune_features=False).fit(X)
    >>> int(model.score_samples(X).argmin())
    1000
    """

    _parameters: ClassVar[Rules] = {
        "n_filters": integer(1, 4096),
        "taps": integer(1, 32),
        "alpha": real(0.0),
        "learning_rate_init": real(0.0, open_low=True),
        "max_iter": integer(1),
        "n_iter_no_change": integer(1),
        "prune": boolean(),
        "fidelity": real(0.0, 1.0, open_low=True),
        "contamination": CONTAMINATION,
        "random_state": random_state(),
        "prune_features": boolean(),
    }

    def __init__(
        self,
        n_filters: int = 32,
        *,
        taps: int = 5,
        alpha: float = 1e-3,
        learning_rate_init: float = 2e-3,
        max_iter: int = 40,
        n_iter_no_change: int = 6,
        prune: bool = True,
        fidelity: float = 0.995,
        contamination: Any = "auto",
        random_state: Any = None,
        prune_features: bool = True,
    ) -> None:
        self.n_filters = n_filters
        self.taps = taps
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.prune = prune
        self.fidelity = fidelity
        self.contamination = contamination
        self.random_state = random_state
        self.prune_features = prune_features

    @property
    def n_parameters_(self) -> int:
        """Weights and biases of what scores."""
        return self.net_.n_parameters if self.net_ is not None else int(self._lags[0].size + self._lags[1].size)

    def fit(self, X: Any, y: Any = None) -> Self:  # type: ignore[override]  # training takes no weights
        """Prune the series of `X`, train a network on those that stay, and prune it.

        Parameters
        ----------
        X : array-like of shape (n_timepoints, n_series)
            Rows in the order of time, evenly spaced; the last fifth judges.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If a parameter breaks its rule.
        InvalidTableError
            If no series can stay, or a value is larger in magnitude than 1e150.
        """
        return super().fit(X, y)

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:  # type: ignore[override]  # as `fit`
        """Fit, then label the same rows: `fit(X).predict(X)`.

        Parameters
        ----------
        X : array-like of shape (n_timepoints, n_series)
        y : ignored

        Returns
        -------
        ndarray of int of shape (n_timepoints,)
        """
        return self.fit(X, y).predict(X)

    # ------------------------------------------------------------------------------------------------ private

    def _make_engine(self) -> Any:
        return MLPRegressor()  # its tags are asked for: no NaN

    def _fit_engine(self, X: Floats, sample_weight: Floats | None) -> None:
        """Train the network, compare it with its twin, prune it."""
        del sample_weight  # always None: `fit` takes none
        check_magnitude(X, _LARGEST, "so that errors are finite")
        self._centre, self._unit = standardisation(X)
        rows = self._standard(X)
        rng = check_random_state(self.random_state)
        n, taps, n_filters = len(rows), int(self.taps), int(self.n_filters)
        n_train = n if n < _FEWEST else n - int(_HELD * n)
        with one_at_a_time():
            lags = lag_regression(rows[:n_train], taps * taps)
            whole, figures, better = None, {}, False
            if n >= _FEWEST:
                start = ConvolutionNet.random(rows.shape[1], (n_filters, n_filters), taps, rng)
                whole, epochs = trained_net(
                    start, rows, n_train, decay=float(self.alpha), rate=float(self.learning_rate_init),
                    max_epochs=int(self.max_iter), patience=int(self.n_iter_no_change), rng=rng,
                )  # fmt: skip
                gains = [np.square(_expected(s, rows) - rows).mean(axis=1)[n_train:] for s in (whole, lags)]
                blocks = np.arange(n - n_train) * _BLOCKS // (n - n_train)
                better, p_value = better_by_blocks(gains[0], gains[1], blocks)
                figures = {
                    "epochs": epochs, "loss": float(gains[0].mean()), "loss_of_twin": float(gains[1].mean()),
                    "p_value": p_value, "parameters_before": whole.n_parameters,
                }  # fmt: skip
            self._install_pruned(whole, lags, rows, n_train, better, figures, rng)

    def _install_pruned(
        self, whole: ConvolutionNet | None, lags: Any, rows: Floats, n_train: int, better: bool,
        figures: dict[str, Any], rng: np.random.RandomState,
    ) -> None:  # fmt: skip
        """Choose what scores, prune it, report."""
        self._lags, self.net_ = lags, whole
        guards, records = [], []
        if whole is not None and not self.prune:
            n = sum(len(bias) for bias in (whole.bias1, whole.bias2))
            records = [PruningRecord(f"filter {k}", "filter", True, "not pruned: prune=False") for k in range(n)]
        elif whole is not None and better:
            held = rows[max(0, n_train - whole.reach) :]
            judged = _errors(whole, held)
            self.net_, records, reached = pruned_filters(
                whole,
                rows[:n_train][-4000:],
                lambda net: rank_correlation(_errors(net, held), judged),
                self.fidelity,
                rng,
            )
            figures |= {"fidelity_required": float(self.fidelity), "fidelity_held_out": reached}
            if self.net_ is whole:
                guards.append(f"no smaller network ranks held-out rows with a correlation of {self.fidelity:g}")
        else:
            self.net_ = None
            n = 0 if whole is None else len(whole.bias1) + len(whole.bias2)
            reason = "regression on lags scores"
            records = [PruningRecord(f"filter {k}", "filter", False, reason) for k in range(n)]
        if not better:
            guards.append("linear suffices: held-out rows show no gain of the network over regression on lags")
        self.n_iter_ = max(1, int(figures.get("epochs", 1)))
        figures |= {"linear_suffices": not better, "parameters_after": self.n_parameters_}
        self.model_report_ = PruningReport(records, "network", guards, figures)
        self._columns = np.flatnonzero(self.support_)

    def _standard(self, X: Floats) -> Floats:
        """Standardised and cut values (n_timepoints, n_kept)."""
        return np.clip((X - self._centre) / self._unit, -CLIP, CLIP)

    def _score_table(self, X: Floats) -> Floats:
        return self._score_kept(X[:, self._columns])

    def _score_kept(self, X: Any) -> Floats:
        return -np.asarray(self._explain_kept(X).mean(axis=1))

    def _explain_kept(self, X: Any) -> Floats:
        with one_blas_thread():
            expected = _expected(self._lags if self.net_ is None else self.net_, self._standard(X))
        with np.errstate(over="ignore"):
            return np.square(grown((X - self._centre) / self._unit, CLIP) - expected)

    def _offset(self, kept: Any) -> float:
        share = _ALARMS if self.contamination == "auto" else float(self.contamination)
        return float(np.percentile(self._training_scores(kept), 100.0 * share))

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        arrays = {"centre": self._centre, "unit": self._unit}
        if self.net_ is None:
            weights, bias, n_lags = self._lags
            return {"n_lags": n_lags}, arrays | {"weights": weights, "bias": bias}
        return {"taps": self.net_.taps}, arrays | {f"part{i}": part for i, part in enumerate(self.net_.weights)}

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        n = int(self.support_.sum())
        self._centre, self._unit = arrays["centre"], arrays["unit"]
        self._columns, self.net_ = np.flatnonzero(self.support_), None
        shapes: list[tuple[int, ...]]
        if "n_lags" in manifest:
            self._lags = (arrays["weights"], arrays["bias"], int(manifest["n_lags"]))
            parts, shapes = list(self._lags[:2]), [(self._lags[2] * n, n), (n,)]
        else:
            taps = int(manifest["taps"])
            self.net_ = ConvolutionNet.of([arrays[f"part{i}"] for i in range(6)], taps)
            parts, one, two = list(self.net_.weights), len(self.net_.bias1), len(self.net_.bias2)
            shapes = [(taps * n, one), (one,), (taps * one, two), (two,), (two, n), (n,)]
        if [part.shape for part in parts] != shapes or self._centre.shape != (n,) or not (self._unit > 0).all():
            raise ValueError(f"weights of shapes {[part.shape for part in parts]} do not fit {n} series")

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        from detectors.networks.onnx_graph import prediction_scores

        model = self._lags if self.net_ is None else self.net_
        return prediction_scores(graph, model, self._centre, self._unit, CLIP, rows)


def _expected(model: Any, rows: Floats) -> Floats:
    """What a network, or weights, bias and number of lags, expect at every row (n_rows, n_series)."""
    if isinstance(model, ConvolutionNet):
        return model.predictions(rows)
    weights, bias, n_lags = model
    before = np.vstack([np.zeros((1, rows.shape[1])), rows[:-1]])
    return np.asarray(lagged(before, n_lags, 1) @ weights + bias)


def _errors(model: Any, rows: Floats) -> Floats:
    """Mean squared errors (n_rows,)."""
    return np.asarray(np.square(_expected(model, rows) - rows).mean(axis=1))
