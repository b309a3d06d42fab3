"""PrunedAutoencoder: reconstruction errors of a small dense network whose neurons are pruned.

Law: a feature outside `support_` has no influence on any score; a pruned network ranks held-out rows as the whole one
does, to a stated fidelity. Lower score = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from detectors.blas import one_blas_thread
from detectors.exceptions import InvalidParameterError
from detectors.networks.compiled import Reconstruction
from detectors.networks.fitting import Settings, fit_network
from detectors.networks.layers import Layer, Network, check_widths
from detectors.networks.made_up import made_up
from detectors.parameters import Rules, boolean, choice, either, integer, random_state, real, sequence_of
from detectors.tables import check_magnitude
from detectors.wrappers.compiled import CompiledDetector
from detectors.wrappers.pruned_detector import CONTAMINATION

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["PrunedAutoencoder"]

Floats = NDArray[np.float64]

_ALARMS = 0.01  # share of the fitted rows below the automatic threshold
_INT8_FIDELITY = 0.995  # Spearman correlation of int8 scores with float ones
_LARGEST = 1e150  # values whose squares are finite


class PrunedAutoencoder(CompiledDetector):
    """Detect rows that a small network cannot reconstruct; its neurons, inputs and features are pruned.

    Use it for tables or windows whose features depend on each other in a bent way, where scores must be fast and the
    model small enough for a device. Where features depend linearly, principal components do as well: the model then
    says "linear suffices" and scores with them. Do not use it on a few dozen rows: a network needs data.

    Parameters
    ----------
    hidden_layer_sizes : "auto", "grow" or sequence of int, default="auto"
        Units of the hidden layers before pruning. "auto" is wide, code, wide: 256 units on either side of the code
        (fewer for wide windows). "grow" doubles the width from 16 until networks of two seeds rank held-out rows
        alike. Larger costs time in training, not in scoring.
    activation : {"tanh", "relu"}, default="tanh"
        Of the hidden layers. "tanh" cannot follow what is far outside training, which helps to detect it.
    alpha : float >= 0, default=1e-4
        Weight decay (L2). Larger is smoother and prunes smaller.
    learning_rate_init : float > 0, default=2e-3
        First step size of Adam.
    max_iter : "auto" or int >= 1, default="auto"
        Epochs at most; "auto" is 100, fewer for large tables.
    n_iter_no_change : int >= 1, default=15
        Epochs without progress on held-out rows before training stops.
    variance : float in (0, 1), default=0.9
        Share of the variance that sets the size of the code, and of the linear twin. Larger reconstructs more,
        anomalies too.
    prune : bool, default=True
        Prune the network. False leaves it whole.
    prune_connections : bool, default=False
        Also cut small weights: the file gets smaller, scoring does not get faster.
    fidelity : float in (0, 1], default=0.995
        Least Spearman correlation of the pruned network's scores with the whole one's, on held-out rows and on
        made-up ones. Larger prunes less.
    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of outliers among the fitted rows; "auto" is 0.01.
    random_state : None, int or RandomState, default=None
        Random seed.
    prune_features : bool, default=True
        Leave out features that a `FeaturePruner` finds irrelevant.

    Attributes
    ----------
    model_ : Reconstruction
        The network that scores, with its standardisation.
    n_parameters_ : int
        Weights and biases of it.
    model_report_ : PruningReport
        Every input and neuron with its price; figures on losses, fidelity and size.
    support_, report_, offset_
        As in `PrunedDetector`.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    See Also
    --------
    PrunedPredictor : for rows in time order.

    Notes
    -----
    The score is minus the mean squared error in standard deviations; beyond 5 of them a value counts by its logarithm,
    so that one broken sensor does not drown the others. Training (scikit-learn's `MLPRegressor`, Adam) starts at the
    principal components and stops early; a network that is not better than they are on held-out blocks of rows is
    not used. Pruning is described in `detectors.networks.units`.

    References
    ----------
    .. [1] Sakurada, Yairi: Anomaly detection using autoencoders with nonlinear dimensionality reduction. MLSDA 2014.
    .. [2] Hassibi, Stork: Second order derivatives for network pruning: optimal brain surgeon. NeurIPS 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import PrunedAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> angle = rng.uniform(0, 2 * np.pi, size=(2000, 1))
    >>> X = np.hstack([np.cos(angle), np.sin(angle), np.cos(2 * angle)]) + 0.05 * rng.normal(size=(2000, 3))
    >>> model = PrunedAutoencoder(random_state=0).fit(X)

    The network is much smaller than the one that was trained, and finds what lies inside the circle:

    >>> model.model_report_.figures["parameters_before"] > 5 * model.n_parameters_
    True
    >>> bool(model.score_samples([[0.0, 0.0, 0.0]])[0] < np.quantile(model.score_samples(X), 0.01))
    True
    """

    _parameters: ClassVar[Rules] = {
        "hidden_layer_sizes": either(choice("auto", "grow"), sequence_of(integer(1))),
        "activation": choice("tanh", "relu"),
        "alpha": real(0.0),
        "learning_rate_init": real(0.0, open_low=True),
        "max_iter": either(choice("auto"), integer(1)),
        "n_iter_no_change": integer(1),
        "variance": real(0.0, 1.0, open_low=True, open_high=True),
        "prune": boolean(),
        "prune_connections": boolean(),
        "fidelity": real(0.0, 1.0, open_low=True),
        "contamination": CONTAMINATION,
        "random_state": random_state(),
        "prune_features": boolean(),
    }

    model_: Reconstruction

    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        *,
        activation: str = "tanh",
        alpha: float = 1e-4,
        learning_rate_init: float = 2e-3,
        max_iter: Any = "auto",
        n_iter_no_change: int = 15,
        variance: float = 0.9,
        prune: bool = True,
        prune_connections: bool = False,
        fidelity: float = 0.995,
        contamination: Any = "auto",
        random_state: Any = None,
        prune_features: bool = True,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.variance = variance
        self.prune = prune
        self.prune_connections = prune_connections
        self.fidelity = fidelity
        self.contamination = contamination
        self.random_state = random_state
        self.prune_features = prune_features

    @property
    def n_parameters_(self) -> int:
        """Weights and biases of the network that scores."""
        return self.model_.n_parameters

    def fit(self, X: Any, y: Any = None) -> Self:  # type: ignore[override]  # training takes no weights
        """Prune the features of `X`, train a network on those that stay, and prune it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in their order, if they have one: rows are held out in blocks of neighbours.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If a parameter breaks its rule.
        InvalidTableError
            If no feature can stay, or a value is larger in magnitude than 1e150.
        """
        return super().fit(X, y)

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:  # type: ignore[override]  # as `fit`
        """Fit, then label the same rows: `fit(X).predict(X)`.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : ignored

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        return self.fit(X, y).predict(X)

    def to_onnx(self, path: Any = None, *, int8: bool = False, calibration: Any = None) -> bytes:
        """Export selector, scores and labels as one ONNX graph; needs the extra ``onnx``.

        Parameters
        ----------
        path : path-like, optional
            File to write the model to; an old one is replaced in one step.
        int8 : bool, default=False
            True stores weights in 8 bits and multiplies in 8 bits (static quantisation by onnxruntime), if the scores
            then rank calibration rows as before.
        calibration : array-like of shape (n_rows, n_features), optional
            Ordinary rows that the ranges of the activations are taken from; held-out rows of `fit` if left out. A
            loaded detector has none and needs them.

        Returns
        -------
        bytes
            Input ``X``: double (n_rows, n_features), all features; outputs ``scores``: double (n_rows,), ``labels``:
            int64 (n_rows,), -1 outlier, +1 inlier.

        Raises
        ------
        ImportError
            Without the packages `onnx` and, for int8, `onnxruntime`.
        InvalidParameterError
            If int8 has no rows to calibrate with.
        GuardError
            If int8 changes the ranks: Spearman correlation below 0.995.
        UnwritablePathError
            If there is a folder or a device at `path`, or no folder for it.
        """
        if not int8:
            return super().to_onnx(path)
        check_is_fitted(self)
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise ImportError("int8 needs onnx and onnxruntime: `pip install 'tsprune[onnx]'`.") from error
        from detectors.networks.quantization import export_int8

        return export_int8(self, self._calibration_tables(calibration), _INT8_FIDELITY, path)

    def to_layers(self) -> list[tuple[Floats, Floats, str]]:
        """Give the pruned network as arrays, for other frameworks.

        Returns
        -------
        list of (weights, bias, activation)
            Weights have shape (n_inputs, n_units); `torch.nn.Linear` wants them transposed. The network reads the
            features `model_.inputs` of the kept ones, standardised by `model_.centre` and `model_.unit` and cut at
            `model_.clip`, and gives all kept features in those units.
        """
        return [(la.weights.copy(), la.bias.copy(), la.activation) for la in self.model_.network.layers]

    # ------------------------------------------------------------------------------------------------ private

    def _calibration_tables(self, calibration: Any) -> tuple[Any, Any]:
        """Rows (n_rows, n_features) to calibrate with, those given or held-out ones of `fit`; made-up ones beside."""
        m = self.model_
        if calibration is not None:
            z = (self._kept(self._read(calibration, reset=False)) - m.centre) / m.unit
        elif hasattr(self, "_calibration"):
            z = self._calibration
        else:
            raise InvalidParameterError(
                "calibration must be given for a detector that was loaded, got None: the file holds no rows; pass a "
                "few hundred ordinary ones."
            )
        tables = []
        for rows in (z, made_up(z, np.random.RandomState(0))):
            tables.append(np.zeros((len(rows), self.n_features_in_)))
            tables[-1][:, self.support_] = rows * m.unit + m.centre
        return tables[0], tables[1]

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        from detectors.networks.onnx_graph import reconstruction_scores

        return reconstruction_scores(graph, self.model_, rows)

    def _settings(self) -> Settings:
        return Settings(
            hidden=self.hidden_layer_sizes,
            activation=self.activation,
            decay=float(self.alpha),
            rate=float(self.learning_rate_init),
            max_iter=self.max_iter,
            patience=int(self.n_iter_no_change),
            variance=float(self.variance),
            fidelity=float(self.fidelity),
            prune=bool(self.prune),
            connections=bool(self.prune_connections),
        )

    def _make_engine(self) -> Any:
        return MLPRegressor()

    def _fit_engine(self, X: Floats, sample_weight: Floats | None) -> None:
        """Train the network and prune it."""
        del sample_weight  # always None: `fit` takes none
        check_magnitude(X, _LARGEST, "so that errors are finite")
        if not isinstance(self.hidden_layer_sizes, str):
            check_widths([int(n) for n in self.hidden_layer_sizes])
        names = [str(name) for name in self._names()[self.support_]]
        with one_blas_thread():
            fitted = fit_network(X, names, self._settings(), check_random_state(self.random_state))
        self.model_report_ = fitted.report
        self._calibration = fitted.calibration
        self._install(fitted.model)

    def _install(self, model: Reconstruction) -> None:
        """Take over a network on the kept features."""
        self.model_ = model
        self._columns = np.flatnonzero(self.support_).astype(np.int64)
        self._every = np.arange(len(self._columns), dtype=np.int64)

    def _score_table(self, X: Floats) -> Floats:
        return -self.model_.errors(X, self._columns)

    def _score_kept(self, X: Any) -> Floats:
        return -self.model_.errors(np.ascontiguousarray(X), self._every)

    def _explain_kept(self, X: Any) -> Floats:
        rows = np.ascontiguousarray(X)
        parts = np.empty(rows.shape)
        self.model_.errors(rows, self._every, parts)
        return parts

    def _offset(self, kept: Any) -> float:
        share = _ALARMS if self.contamination == "auto" else float(self.contamination)
        return float(np.percentile(self._training_scores(kept), 100.0 * share))

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        m = self.model_
        manifest = {"activations": [layer.activation for layer in m.network.layers], "clip": _stored_clip(m.clip)}
        arrays = {"inputs": m.inputs.astype(np.int32), "centre": m.centre, "unit": m.unit}
        for place, layer in enumerate(m.network.layers):
            arrays |= {f"weights{place}": layer.weights.astype(np.float32), f"bias{place}": layer.bias.astype(np.float32)}
        return manifest, arrays

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        n_kept = int(self.support_.sum())
        network = Network.of(
            Layer.of((arrays[f"weights{place}"].astype(np.float64), arrays[f"bias{place}"].astype(np.float64), name))
            for place, name in enumerate(manifest["activations"])
        )
        inputs, centre, unit = arrays["inputs"].astype(np.int64), arrays["centre"], arrays["unit"]
        if network.widths[0] != len(inputs) or network.widths[-1] != n_kept:
            raise ValueError(f"a network of widths {network.widths} does not fit {n_kept} features")
        if inputs.min(initial=0) < 0 or inputs.max(initial=0) >= n_kept:  # the kernel would read behind the row
            raise ValueError(f"an input of the network is feature {inputs.max()} of {n_kept}")
        if centre.shape != (n_kept,) or unit.shape != (n_kept,) or not (unit > 0).all():
            raise ValueError(f"a standardisation of shapes {centre.shape} and {unit.shape} does not fit")
        clip = np.inf if manifest["clip"] is None else float(manifest["clip"])
        if not clip > 0:
            raise ValueError(f"inputs cannot be cut at {clip}")
        self._install(Reconstruction(network, inputs, centre, unit, clip))


def _stored_clip(clip: float) -> float | None:
    """The cut of the inputs as JSON holds it."""
    return float(clip) if np.isfinite(clip) else None
