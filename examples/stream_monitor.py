"""Follow two metrics, get told when something new begins, and why."""

import numpy as np
import pandas as pd

from tsprune import AlertPolicy, MetricPolicy, StreamMonitor

rng = np.random.default_rng(7)
time = pd.date_range("2024-01-01", periods=2016, freq="5min", name="time")
load = 50 + 10 * np.sin(2 * np.pi * np.arange(2016) / 288) + rng.normal(0, 1, 2016)
load[1600:1640] += 40
frame = pd.DataFrame({"load": load, "latency": rng.gamma(9, 2, 2016)}, index=time)

policy = AlertPolicy(metrics={"load": MetricPolicy(upper=120.0, min_abs=5.0)})
monitor = StreamMonitor(policy).prime(frame[:864])
for moment, values in zip(frame.index[864:], frame[864:].to_dict("records"), strict=True):
    reading = monitor.update(moment, values)
    if reading.alert:
        usual = reading.ranges
        print(moment, f"score {reading.score:.1f}, load {reading.values['load']:.0f}, "
                      f"usual {usual['load.lower']:.0f} to {usual['load.upper']:.0f}")  # fmt: skip
        print(reading.explain().round(2))
