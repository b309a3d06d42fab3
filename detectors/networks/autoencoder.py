"""PrunedAutoencoder: reconstruction errors of a small dense network whose neurons are pruned.

Law: a feature outside `support_` has no influence on any score; a pruned network ranks held-out rows as the whole one
does, to a stated fidelity. Lower score = more abnormal.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from detectors.networks.derived import distilled, from_network, transferred
from detectors.networks.fitting import Settings, fit_network
from detectors.networks.layers import check_widths
from detectors.networks.reconstructing import ReconstructingDetector
from detectors.networks.training import one_at_a_time
from detectors.parameters import (
    Rules,
    boolean,
    check_parameters,
    check_value,
    choice,
    either,
    integer,
    random_state,
    real,
    sequence_of,
)
from detectors.tables import check_magnitude
from detectors.wrappers.pruned_detector import CONTAMINATION

__all__ = ["PrunedAutoencoder"]

Floats = NDArray[np.float64]

_LARGEST = 1e150  # values whose squares are finite


class PrunedAutoencoder(ReconstructingDetector):
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
    n_iter_ : int
        Epochs of the training; not there after `load`.
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

    The network is much smaller than the one that was trained, and ranks held-out rows as that one does:

    >>> model.model_report_.figures["parameters_before"] > 5 * model.n_parameters_
    True
    >>> model.model_report_.figures["fidelity_held_out"] > 0.99
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

    @classmethod
    def from_layers(
        cls, layers: Any, X: Any, *, centre: Any = None, unit: Any = None, prune: bool = True, fidelity: float = 0.995,
        contamination: Any = "auto", random_state: Any = None,
    ) -> Self:  # fmt: skip
        """Take over a network that was trained elsewhere, and prune it.

        Parameters
        ----------
        layers : list of (weights, bias, activation), torch.nn.Sequential, PyOD AutoEncoder, Keras model
            An autoencoder; weights of shape (n_inputs, n_units). Frameworks are recognised by what their models have
            (see `detectors.networks.adapters.foreign_layers`), and not imported.
        X : array-like of shape (n_rows, n_features)
            Ordinary rows: they price the units, judge the pruned network and set the threshold.
        centre, unit : array-like of shape (n_features,), optional
            What the network's inputs are measured from and in; 0 and 1 if left out.
        prune, fidelity, contamination, random_state
            As in the constructor.

        Returns
        -------
        PrunedAutoencoder

        Raises
        ------
        InvalidParameterError
            If a part of the network is no dense layer, or widths do not fit `X`.
        """
        made = cls(
            prune=prune, fidelity=fidelity, contamination=contamination, random_state=random_state, prune_features=False
        )
        check_parameters(made, cls._parameters)
        return cast(Self, from_network(made, layers, X, centre, unit))

    def transfer(self, X: Any) -> Self:
        """Start the model of a sibling with the weights and masks of this one.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows of the sibling, with the features of `fit`.

        Returns
        -------
        PrunedAutoencoder
            A new detector: standardised, tuned and pruned on `X`. `model_report_.figures` has the loss before and
            after; `report_.guards` names features that these rows would have pruned or kept otherwise.
        """
        check_is_fitted(self)
        return cast(Self, transferred(self, X))

    def distill(self, X: Any, *, width: float = 0.5) -> Self:
        """Train a narrower network to give what this one gives; it starts with the dearest of its units.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Ordinary rows, best those of `fit`.
        width : float in (0, 1], default=0.5
            Hidden units of the student, as a share of this one's.

        Returns
        -------
        PrunedAutoencoder

        Raises
        ------
        GuardError
            If the student does not reach `fidelity` on held-out rows.
        """
        check_is_fitted(self)
        check_value("width", width, real(0.0, 1.0, open_low=True), owner="distill")
        return cast(Self, distilled(self, X, float(width)))

    # ------------------------------------------------------------------------------------------------ private

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
        with one_at_a_time():
            fitted = fit_network(X, names, self._settings(), check_random_state(self.random_state))
        self.model_report_ = fitted.report
        self.n_iter_ = max(1, int(fitted.report.figures.get("epochs", 1)))
        self._calibration = fitted.calibration
        self._install(fitted.model)
