"""Prices, solving again, and rounding against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.exceptions import InvalidParameterError
from detectors.networks.layers import Layer, Network, activated, slope
from detectors.networks.rounding import rounded
from detectors.networks.units import Sieve, covariance, solved_again, unit_prices


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_solving_again_with_all_units_is_the_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer = Layer(rng.normal(size=(6, 4)), rng.normal(size=4), "tanh")
    inputs = rng.normal(size=(50, 6))
    again = solved_again(layer, inputs, inputs @ layer.weights + layer.bias)
    np.testing.assert_array_equal(again.weights, layer.weights)
    np.testing.assert_array_equal(again.bias, layer.bias)


def test_a_price_is_the_rise_of_the_loss_after_solving_again() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(4000, 5)) @ rng.normal(size=(5, 5))
    layer = Layer(rng.normal(size=(5, 3)), rng.normal(size=3))
    targets = inputs @ layer.weights + layer.bias
    prices = unit_prices(np.linalg.inv(covariance(inputs - inputs.mean(axis=0), 1e-9)), layer.weights, np.eye(3))
    for unit in range(5):
        left = np.delete(np.arange(5), unit)
        smaller = solved_again(Layer(layer.weights[left], layer.bias), inputs[:, left], targets, 1e-9)
        rise = np.square(inputs[:, left] @ smaller.weights + smaller.bias - targets).sum(axis=1).mean()
        assert prices[unit] == pytest.approx(rise, rel=1e-4)


def test_a_copy_costs_nothing_and_goes_first() -> None:
    rng = np.random.default_rng(1)
    first = Layer(rng.normal(size=(4, 6)), rng.normal(size=6), "tanh")
    first.weights[:, 3], first.bias[3] = first.weights[:, 1], first.bias[1]
    network = Network((first, Layer(rng.normal(size=(6, 4)), np.zeros(4))))
    rows = rng.normal(size=(800, 4))
    sieve = Sieve(network, rows, rows[:200], np.random.RandomState(0))
    assert sieve.round()
    neurons = [r for r in sieve.removed if r.place == 1]
    assert neurons[0].unit in (1, 3)
    assert neurons[0].price < 1e-3
    np.testing.assert_allclose(sieve.inputs().outputs(rows), network.outputs(rows), atol=0.02)


def test_the_sieve_ends_with_one_unit_a_layer() -> None:
    rng = np.random.default_rng(2)
    network = Network(
        (Layer(rng.normal(size=(3, 5)), np.zeros(5), "relu"), Layer(rng.normal(size=(5, 3)), np.zeros(3)))
    )
    sieve = Sieve(network, rng.normal(size=(100, 3)), rng.normal(size=(40, 3)), np.random.RandomState(0))
    while sieve.round():
        pass
    assert sieve.n_units() == 1
    assert sieve.now.layers[0].weights.shape[1] == 1


@pytest.mark.parametrize("per_unit", [False, True])
def test_rounding_with_compensation_beats_plain_rounding(per_unit: bool) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(600, 8)) @ rng.normal(size=(8, 8))
    network = Network(
        (
            Layer(0.1 * rng.normal(size=(8, 12)), rng.normal(size=12), "tanh"),
            Layer(rng.normal(size=(12, 8)), np.zeros(8)),
        )
    )
    found, scales = rounded(network, rows, per_unit)
    plain = []
    for layer, new, scale in zip(network.layers, found.layers, scales, strict=True):
        whole = new.weights / scale
        np.testing.assert_allclose(whole, np.rint(whole), atol=1e-6)
        assert np.abs(whole).max() < 127.5
        plain.append(Layer(np.rint(layer.weights / scale) * scale, layer.bias, layer.activation))
    errors = [np.square(n.outputs(rows) - network.outputs(rows)).mean() for n in (found, Network(tuple(plain)))]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "logistic"])
def test_slopes_are_derivatives(activation: str) -> None:
    x = np.array([-1.5, -0.2, 0.3, 2.0])
    numeric = (activated(x + 1e-6, activation) - activated(x - 1e-6, activation)) / 2e-6
    np.testing.assert_allclose(slope(activated(x, activation), activation), numeric, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least one layer"),
        ([(np.ones((2, 3)),)], "1 parts"),
        ([(np.ones((2, 3)), np.ones(2))], "torch.nn.Linear"),
        ([(np.ones((2, 3)), np.ones(3), "swish")], "got 'swish'"),
        ([(np.full((2, 3), np.nan), np.ones(3))], "finite"),
        ([("x", np.ones(3))], "must be numbers"),
        ([(np.ones((2, 3)), np.ones(3)), (np.ones((4, 2)), np.ones(2))], "layer 1 must have 3 inputs"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, message) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        Network.of(layers)
