"""Clean before a lag regression with scikit-learn: sunspots, with faults put in, and what they cost.

Run: python examples/clean_before_lag_regression.py
"""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm
from sklearn.linear_model import Ridge

from tsprune import SeriesCleaner

LAGS, HORIZON = 24, 60


def forecast_error(train: np.ndarray, test: np.ndarray) -> float:
    """Mean absolute one-step error (spots) over `test` of a ridge regression on lags, trained on `train`."""
    series = np.r_[train, test]
    lagged = np.lib.stride_tricks.sliding_window_view(series, LAGS + 1)
    split = train.size - LAGS
    model = Ridge().fit(lagged[:split, :-1], lagged[:split, -1])
    return float(np.mean(np.abs(model.predict(lagged[split:, :-1]) - test)))


def main() -> dict[str, float]:
    """Return the forecast errors without faults, with them, and after cleaning."""
    spots = sm.datasets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy()
    train, test = spots[:-HORIZON], spots[-HORIZON:]
    rng = np.random.default_rng(0)
    faulty = train.copy()
    at = rng.choice(np.arange(10, train.size - 10), 10, replace=False)
    faulty[at] += rng.choice([-1, 1], 10) * rng.uniform(200, 400, 10)
    cleaner = SeriesCleaner(period=None)
    clean = cleaner.fit_transform(faulty)
    print(cleaner.report_.summary())
    errors = {
        "as it was": forecast_error(train, test),
        "with faults": forecast_error(faulty, test),
        "cleaned": forecast_error(clean, test),
    }
    for name, error in errors.items():
        print(f"{name:12s} mean absolute error {error:.2f} spots")
    return errors


if __name__ == "__main__":
    main()
