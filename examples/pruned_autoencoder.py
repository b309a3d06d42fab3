"""An autoencoder whose neurons are pruned: how much smaller it gets, and how alike it ranks rows."""

import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from detectors import PrunedAutoencoder

rng = np.random.default_rng(0)
phase = rng.uniform(0, 2 * np.pi, size=(3000, 1))
clean = np.hstack([np.cos(k * phase) for k in range(1, 5)] + [np.sin(k * phase) for k in range(1, 5)])
X = clean + 0.05 * rng.normal(size=clean.shape)

whole = PrunedAutoencoder((128, 4, 128), prune=False, random_state=0).fit(X)
pruned = PrunedAutoencoder((128, 4, 128), random_state=0).fit(X)
print(pruned.model_report_.summary().splitlines()[0])
print(f"weights and biases: {whole.n_parameters_} -> {pruned.n_parameters_}")

new = np.vstack([X[:500] + 0.02 * rng.normal(size=(500, 8)), rng.normal(size=(100, 8))])
print(f"rank correlation of scores: {spearmanr(whole.score_samples(new), pruned.score_samples(new)).statistic:.4f}")

with tempfile.TemporaryDirectory() as folder:
    for name, model in (("whole", whole), ("pruned", pruned)):
        model.save(Path(folder) / name)
        print(f"{name}: {(Path(folder) / name).stat().st_size / 1000:.1f} kB")
    print(f"pruned, int8 (ONNX): {len(pruned.to_onnx(int8=True)) / 1000:.1f} kB")
