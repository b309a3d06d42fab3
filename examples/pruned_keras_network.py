"""A Keras autoencoder taken over by its weights, pruned, and given back. Runs where TensorFlow is installed."""

import sys
from importlib.util import find_spec

import numpy as np

from detectors import PrunedAutoencoder

if find_spec("keras") is None or find_spec("tensorflow") is None:
    print("keras and tensorflow are not installed: nothing to show")
    sys.exit(0)

import keras

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
phase = rng.uniform(0, 2 * np.pi, size=(2000, 1))
X = np.hstack([np.cos(phase), np.sin(phase), np.cos(2 * phase)]) + 0.05 * rng.normal(size=(2000, 3))
layers = [keras.layers.Dense(n, activation="relu") for n in (64, 2, 64)]
model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(3)])
model.compile("adam", "mse")
model.fit(X, X, epochs=20, verbose=0)

pruned = PrunedAutoencoder.from_layers(model.get_weights(), X, random_state=0)
print(f"parameters: {model.count_params()} -> {pruned.n_parameters_}")

dense = pruned.to_layers()
small = keras.Sequential([keras.Input((len(pruned.model_.inputs),))])
for _, bias, activation in dense:
    small.add(keras.layers.Dense(len(bias), activation="relu" if activation == "relu" else None))
small.set_weights([part for weights, bias, _ in dense for part in (weights, bias)])
error = ((small.predict(X[:, pruned.model_.inputs], verbose=0) - X) ** 2).mean(axis=1)
print(f"largest difference of scores: {np.abs(pruned.score_samples(X) + error).max():.1e}")
