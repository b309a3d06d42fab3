"""Clean before forecasting with statsforecast: monthly CO2 in a long frame of two series.

Needs statsforecast, which is no extra of tsprune: pip install statsforecast
Run: python examples/clean_before_statsforecast.py
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import statsmodels.api as sm

from tsprune import SeriesCleaner, clean_many

HORIZON = 12


def long_frame() -> pd.DataFrame:
    """The CO2 record in two halves, as two series of a long frame (unique_id, ds, y)."""
    co2 = sm.datasets.co2.load_pandas().data["co2"].resample("MS").mean().interpolate()
    halves = {"early": co2.iloc[:262], "late": co2.iloc[262:]}
    parts = [pd.DataFrame({"unique_id": name, "ds": part.index, "y": part.to_numpy()}) for name, part in halves.items()]
    return pd.concat(parts, ignore_index=True)


def main() -> dict[str, float]:
    """Return the forecast errors without faults, with them, and after cleaning; empty without statsforecast."""
    if importlib.util.find_spec("statsforecast") is None:
        print("this example needs statsforecast: pip install statsforecast")
        return {}
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    frame = long_frame()
    last = frame.groupby("unique_id").cumcount(ascending=False) < HORIZON
    train, test = frame[~last].reset_index(drop=True), frame[last]
    rng = np.random.default_rng(0)
    faulty = train.copy()
    at = np.r_[rng.choice(len(train), 16, replace=False), 245, len(train) - 5]
    faulty.loc[at, "y"] += rng.choice([-1, 1], at.size) * rng.uniform(4, 8, at.size)
    clean, summary = clean_many(faulty, SeriesCleaner(period=12))
    print(summary.to_string(index=False))

    def error(part: pd.DataFrame) -> float:
        engine = StatsForecast(models=[AutoETS(season_length=12)], freq="MS")
        ahead = engine.forecast(df=part[["unique_id", "ds", "y"]], h=HORIZON)
        both = ahead.merge(test, on=["unique_id", "ds"])
        return float((both["AutoETS"] - both["y"]).abs().mean())

    errors = {"as it was": error(train), "with faults": error(faulty), "cleaned": error(clean)}
    for name, value in errors.items():
        print(f"{name:12s} mean absolute error {value:.3f} ppm")
    return errors


if __name__ == "__main__":
    main()
