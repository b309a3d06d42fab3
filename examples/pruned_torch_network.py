"""A PyTorch autoencoder taken over, pruned, and given back as a smaller torch model. Runs where torch is installed."""

import sys
from importlib.util import find_spec

import numpy as np

from detectors import PrunedAutoencoder

if find_spec("torch") is None:
    print("torch is not installed: nothing to show")
    sys.exit(0)

import torch
from torch import nn

torch.manual_seed(0)
rng = np.random.default_rng(0)
phase = rng.uniform(0, 2 * np.pi, size=(2000, 1))
X = np.hstack([np.cos(phase), np.sin(phase), np.cos(2 * phase)]) + 0.05 * rng.normal(size=(2000, 3))
rows = torch.tensor(X, dtype=torch.float32)
encoder = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 2), nn.ReLU())
model = nn.Sequential(encoder, nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 3))
optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(500):
    optimiser.zero_grad()
    loss = ((model(rows) - rows) ** 2).mean()
    loss.backward()
    optimiser.step()

pruned = PrunedAutoencoder.from_layers(model, X, random_state=0)
print(f"parameters: {sum(p.numel() for p in model.parameters())} -> {pruned.n_parameters_}")

parts = []
for weights, bias, activation in pruned.to_layers():
    layer = nn.Linear(*weights.shape)
    layer.load_state_dict({"weight": torch.tensor(weights.T.copy()), "bias": torch.tensor(bias)})
    parts += [layer, nn.ReLU()] if activation == "relu" else [layer]
small = nn.Sequential(*parts)
with torch.no_grad():
    error = ((small(rows[:, pruned.model_.inputs]) - rows) ** 2).mean(dim=1)
print(f"largest difference of scores: {np.abs(pruned.score_samples(X) + error.numpy()).max():.1e}")
