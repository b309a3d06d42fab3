"""A pruned detector on a small device: one ONNX file, scored by onnxruntime alone. Needs the extra `onnx`."""

import pickle
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest

from detectors import PrunedIsolationForest

X = np.ascontiguousarray(load_breast_cancer().data, dtype=np.float64)
detector = PrunedIsolationForest(300, prune_features=False, prune_trees=True, random_state=0).fit(X)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "detector.onnx"
    detector.to_onnx(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scores, labels = session.run(None, {"X": X})
    detector.save(Path(folder) / "detector")
    sizes = {file.name: file.stat().st_size for file in Path(folder).iterdir()}

sizes["pickled scikit-learn forest"] = len(pickle.dumps(IsolationForest(n_estimators=300, random_state=0).fit(X)))
print("largest difference of scores:", f"{np.abs(scores - detector.score_samples(X)).max():.1e}")
print("labels that differ:", int((labels != detector.predict(X)).sum()))
for name, size in sizes.items():
    print(f"{name}: {size / 1000:.0f} kB")
