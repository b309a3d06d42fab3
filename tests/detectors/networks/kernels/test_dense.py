"""The compiled reconstruction errors against a naive twin, and bits that depend on the row alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_networks import naive_error

from detectors.networks.compiled import Reconstruction
from detectors.networks.layers import ACTIVATIONS, Layer, Network


def model(seed: int, widths: list[int], activations: list[str], clip: float = 5.0) -> Reconstruction:
    rng = np.random.default_rng(seed)
    layers = [
        Layer(rng.normal(size=(a, b)) * 0.7, rng.normal(size=b) * 0.3, name)
        for a, b, name in zip(widths[:-1], widths[1:], activations, strict=True)
    ]
    n_features = widths[-1]
    inputs = np.sort(rng.permutation(n_features)[: widths[0]])
    return Reconstruction(
        Network(tuple(layers)), inputs, rng.normal(size=n_features), rng.uniform(0.5, 2, n_features), clip
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(ACTIVATIONS), st.sampled_from([3.0, 5.0, np.inf]))
def test_errors_are_those_of_the_naive_twin(seed: int, activation: str, clip: float) -> None:
    m = model(seed, [5, 7, 3, 6], [activation, activation, "identity"], clip)
    rows = np.random.default_rng(seed).normal(size=(9, 8)) * 4.0
    columns = np.array([7, 1, 2, 3, 4, 0])
    parts = np.empty((9, 6))
    errors = m.errors(rows, columns, parts)
    for row, error in zip(rows, errors, strict=True):
        layers = [(la.weights, la.bias, la.activation) for la in m.network.layers]
        expected = naive_error(row[columns], m.centre, m.unit, clip, list(m.inputs), layers)
        assert error == pytest.approx(expected, rel=2e-5, abs=1e-9)
    np.testing.assert_allclose(parts.mean(axis=1), errors, rtol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("step", [1, 2, 7, 63, 64, 65])
def test_the_bits_of_a_row_depend_on_nothing_but_the_row(activation: str, step: int) -> None:
    m = model(3, [6, 37, 5, 6], [activation, "tanh", "identity"])
    rows = np.random.default_rng(0).normal(size=(200, 6)) * 6.0
    columns = np.arange(6)
    whole = m.errors(rows, columns)
    pieces = [m.errors(np.ascontiguousarray(rows[i : i + step]), columns) for i in range(0, 200, step)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_dead_unit_changes_no_bit() -> None:
    """A unit whose outgoing weights are zero, and a unit that is zero for every row, can go."""
    rng = np.random.default_rng(1)
    first = Layer(rng.normal(size=(4, 6)), rng.normal(size=6), "relu")
    last = Layer(rng.normal(size=(6, 4)), rng.normal(size=4))
    last.weights[2] = 0.0
    first.weights[:, 5], first.bias[5] = 0.0, -1.0
    network = Network((first, last))
    rows = rng.normal(size=(100, 4))
    every = np.arange(4)
    scores = Reconstruction(network, every, np.zeros(4), np.ones(4), 5.0).errors(rows, every)
    smaller = network.without_units(0, np.array([0, 1, 3, 4]))
    assert smaller.n_parameters < network.n_parameters
    again = Reconstruction(smaller, every, np.zeros(4), np.ones(4), 5.0).errors(rows, every)
    np.testing.assert_array_equal(again, scores)
