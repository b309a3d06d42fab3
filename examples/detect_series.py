"""Find the abnormal episode of a seasonal series, and which of several metrics is behind it."""

import numpy as np
import pandas as pd

from tsprune import SeriesDetector

rng = np.random.default_rng(0)
time = pd.date_range("2024-01-01", periods=1500, freq="h")
season = np.sin(np.arange(1500) * 2 * np.pi / 24)
frame = pd.DataFrame({"requests": season, "cpu": season, "disk": 0 * season}, index=time)
frame += 0.2 * rng.normal(size=frame.shape)
frame.iloc[1200:1220, 1] = -frame.iloc[1200:1220, 1]  # cpu stays in its range, but no longer follows the requests

detector = SeriesDetector(random_state=0).fit(frame[:1000])
scores = detector.score_samples(frame[1000:])  # lower = more abnormal
worst = frame.index[1000 + scores.argmin()]
print("most abnormal:", worst, "- episode was", time[1200], "to", time[1219])
print("because of:", detector.explain(frame[1000:]).loc[worst].round(1).to_dict())
print("alarms:", int((detector.predict(frame[1000:]) < 0).sum()), "of", len(scores))
print(detector.report_.summary())
