"""Find the heartbeat whose shape is wrong while every value is in its range, and the normal beat most like it."""

import numpy as np

from tsprune import SeriesDetector

rng = np.random.default_rng(0)
lengths = np.round(80 * (1 + 0.04 * rng.normal(size=100))).astype(int)  # rows a beat; no two are alike
phase = np.concatenate([np.arange(m) / m for m in lengths])
ecg = 0.03 * rng.normal(size=phase.size)
for place, width, height in (
    (0.2, 0.03, 0.15),
    (0.37, 0.011, -0.2),
    (0.4, 0.012, 1.2),
    (0.43, 0.012, -0.3),
    (0.68, 0.05, 0.35),
):
    ecg += height * np.exp(-0.5 * ((phase - place) / width) ** 2)
start = int(lengths[:75].sum())
beat = slice(start, start + int(lengths[75]))
ecg[beat] = ecg[beat][::-1]  # runs backwards

train, time = ecg[:4000], np.arange(4000, ecg.size)
detector = SeriesDetector(random_state=0).fit(train)
scores = detector.score_samples(ecg[4000:], time=time)
print("lowest score at", 4000 + scores.argmin(), "- the wrong beat is", beat.start, "to", beat.stop - 1)

report = detector.report_.to_frame()
print(report.loc[report["kind"] == "shape", ["item", "reason"]].to_string(index=False))

shape = detector.explain_shapes(ecg[4000:], time=time, n_shapes=1)[0]
print(
    f"{shape.window} rows from {shape.start}, against the most similar stretch of training, from {shape.nearest_start}:"
)
for here, there in zip(shape.values[::2], shape.nearest_values[::2], strict=True):
    line = [" "] * 60
    line[int(20 + 25 * there)], line[int(20 + 25 * here)] = "o", "x"
    print("".join(line).rstrip())
