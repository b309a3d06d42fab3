"""PrunedDetector: any outlier detector, fitted on the features that help.

Law: a feature outside `support_` has no influence on any score. Scores follow scikit-learn: lower = more abnormal,
labels -1 / +1, `decision_function < 0` is an outlier; PyOD's opposite sign is turned at this boundary.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import clone

from detectors.features.pruner import FeaturePruner
from detectors.parameters import Rules, choice, either, has_methods, nothing, random_state, real
from detectors.wrappers.base import _PrunedOutlierDetector
from detectors.wrappers.engines import ENGINE, seeded

__all__ = ["PrunedDetector"]

CONTAMINATION = either(choice("auto"), real(0.0, 0.5, open_low=True))
PRUNER = either(nothing(), has_methods("fit", "get_support"))


class PrunedDetector(_PrunedOutlierDetector):
    """An outlier detector fitted on the features that a label-free pruner keeps.

    Parameters
    ----------
    detector : estimator
        Any outlier detector of scikit-learn (LocalOutlierFactor with ``novelty=True``) or of PyOD; it is cloned.
    pruner : selector, optional
        Anything with `fit` and `get_support`, such as a `FeaturePruner` with other options. None stands for
        ``FeaturePruner()``; ``FeaturePruner(guard=...)`` and scikit-learn's VarianceThreshold work too.
    contamination : "auto" or float in (0, 0.5]
        Share of outliers among the fitted rows. "auto" takes the engine's own threshold (scikit-learn's
        `offset_`, PyOD's `threshold_`), 0.1 for an engine without one.
    random_state : None, int or RandomState
        Given to detector and pruner wherever their own `random_state` is None.

    Attributes
    ----------
    detector_ : estimator
        The engine, fitted on ``X[:, support_]``.
    pruner_ : selector
        The fitted pruner.
    support_ : ndarray of bool of shape (n_features,)
        True for the features that the scores depend on.
    report_ : PruningReport
        Every feature with kind, reason and evidence.
    offset_ : float
        `decision_function` is `score_samples` minus this.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    References
    ----------
    .. [1] Zhao, Nasrullah, Li: PyOD: a Python toolbox for scalable outlier detection. JMLR 20(96), 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from detectors import PrunedDetector
    >>> rng = np.random.default_rng(0)
    >>> factor = rng.normal(size=(500, 1))
    >>> X = np.hstack([factor + 0.3 * rng.normal(size=(500, 4)), rng.uniform(size=(500, 20))])
    >>> model = PrunedDetector(IsolationForest(random_state=0)).fit(X)
    >>> int(model.support_.sum())
    4
    """

    _parameters: ClassVar[Rules] = {
        "detector": ENGINE,
        "pruner": PRUNER,
        "contamination": CONTAMINATION,
        "random_state": random_state(),
    }

    def __init__(
        self, detector: Any, *, pruner: Any = None, contamination: Any = "auto", random_state: Any = None
    ) -> None:
        self.detector = detector
        self.pruner = pruner
        self.contamination = contamination
        self.random_state = random_state

    def _make_pruner(self) -> Any:
        return FeaturePruner() if self.pruner is None else self.pruner

    def _make_engine(self) -> Any:
        return seeded(clone(self.detector), self.random_state)
