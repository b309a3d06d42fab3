"""Any scikit-learn or PyOD detector on the columns that help: breast cancer with 30 shuffled columns added."""

import numpy as np
import pandas as pd
from pyod.models.hbos import HBOS
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detectors import PrunedDetector

table = load_breast_cancer(as_frame=True)
rng = np.random.default_rng(0)
rows = np.r_[np.flatnonzero(table.target == 1), rng.choice(np.flatnonzero(table.target == 0), 20, replace=False)]
X, is_outlier = table.data.iloc[rows], table.target.iloc[rows] == 0
X = pd.concat([X, X.apply(rng.permutation).add_suffix(" shuffled")], axis=1)

plain = HBOS().fit(StandardScaler().fit_transform(X))
pruned = make_pipeline(StandardScaler(), PrunedDetector(HBOS())).set_output(transform="pandas").fit(X)
print(f"AUC of HBOS on all {X.shape[1]} columns: {roc_auc_score(is_outlier, plain.decision_scores_):.3f}")
print(f"AUC of HBOS on the columns that help: {roc_auc_score(is_outlier, -pruned.score_samples(X)):.3f}")
print(pruned[-1].report_.summary())
print(pruned[-1].explain(pruned[:-1].transform(X.tail(2))).T.nlargest(3, X.index[-1]).round(2))
