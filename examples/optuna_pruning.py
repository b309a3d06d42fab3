"""Hyperparameters without labels: Optuna stops trials whose ranking is unstable before they have cost much.

A trial is judged on growing parts of the table. After each part it reports how alike two detectors rank held-out
rows that were fitted to disjoint halves of it; Optuna's MedianPruner stops what lags behind. Needs the extra `optuna`.
"""

import numpy as np
import optuna
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from detectors import PrunedIsolationForest

X = StandardScaler().fit_transform(load_breast_cancer().data)
X = X[np.random.default_rng(0).permutation(len(X))]
held_out, rest = X[:150], X[150:]


def stability(trial: optuna.Trial) -> float:
    """Rank correlation of two forests fitted to disjoint halves, on held-out rows."""
    model = PrunedIsolationForest(
        n_estimators=trial.suggest_int("n_estimators", 5, 100, log=True),
        max_samples=trial.suggest_int("max_samples", 8, 50, log=True),
        prune_features=False,
        prune_trees=True,
        random_state=0,
    )
    reached = 0.0
    for step, n_rows in enumerate((100, 200, len(rest))):
        part = rest[:n_rows]
        one, two = (model.fit(half).score_samples(held_out) for half in (part[::2], part[1::2]))
        reached = float(spearmanr(one, two).statistic)
        trial.report(reached, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("n_nodes", model.n_nodes_)
    return reached


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.RandomSampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
)
study.optimize(stability, n_trials=15)
stopped = sum(t.state == optuna.trial.TrialState.PRUNED for t in study.trials)
print(f"{stopped} of {len(study.trials)} trials stopped early")
print(f"most stable: {study.best_params}, rank correlation {study.best_value:.3f}")
print(f"nodes after pruning: {study.best_trial.user_attrs['n_nodes']}")
