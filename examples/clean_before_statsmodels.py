"""Clean before forecasting with statsmodels: monthly CO2 at Mauna Loa, with faults put in, and what they cost.

Run: python examples/clean_before_statsmodels.py
"""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm
from statsmodels.tsa.holtwinters import ExponentialSmoothing

from tsprune import SeriesCleaner

HORIZON = 24


def forecast_error(train: np.ndarray, test: np.ndarray) -> float:
    """Mean absolute error (ppm) of Holt-Winters on `train` over `test`."""
    model = ExponentialSmoothing(train, trend="add", seasonal="add", seasonal_periods=12)
    return float(np.mean(np.abs(model.fit().forecast(HORIZON) - test)))


def main() -> dict[str, float]:
    """Return the forecast errors without faults, with them, and after cleaning."""
    weekly = sm.datasets.co2.load_pandas().data["co2"]
    monthly = weekly.resample("MS").mean().interpolate()
    train, test = monthly.iloc[:-HORIZON], monthly.iloc[-HORIZON:].to_numpy()
    rng = np.random.default_rng(0)
    faulty = train.copy()
    spikes = rng.choice(len(train), 15, replace=False)
    faulty.iloc[spikes] += rng.choice([-1, 1], 15) * rng.uniform(4, 8, 15)
    faulty.iloc[400:436] += 10.0  # three years from a badly calibrated sensor
    cleaner = SeriesCleaner(period=12)
    clean = cleaner.fit_transform(faulty)
    print(cleaner.report_.summary())
    errors = {
        "as it was": forecast_error(train.to_numpy(), test),
        "with faults": forecast_error(faulty.to_numpy(), test),
        "cleaned": forecast_error(clean.to_numpy(), test),
    }
    for name, error in errors.items():
        print(f"{name:12s} mean absolute error {error:.3f} ppm")
    return errors


if __name__ == "__main__":
    main()
