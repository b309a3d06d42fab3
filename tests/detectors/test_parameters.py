"""Parameter rules: what they accept, and what the message says when they do not."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from detectors import parameters as p
from detectors.exceptions import InvalidParameterError

CASES: list[tuple[p.Rule, list[Any], list[Any]]] = [
    (p.integer(2, 5), [2, 5, np.int64(3)], [1, 6, 2.0, True, "3", None]),
    (p.integer(), [-7], [0.5]),
    (p.real(0, 1), [0, 1, 0.5, np.float32(0.25)], [-0.1, 1.1, float("nan"), float("inf"), True, "x"]),
    (p.real(0, 1, open_low=True, open_high=True), [0.5], [0, 1]),
    (p.boolean(), [True, np.False_], [0, 1, None]),
    (p.choice("auto", "off"), ["auto"], ["AUTO", None, 1]),
    (p.nothing(), [None], [0]),
    (p.anything(), [None, object()], []),
    (p.instance_of(dict), [{}], [[]]),
    (p.has_methods("append"), [[]], [list, 3]),
    (p.random_state(), [None, 0, np.random.RandomState(0)], [-1, 0.5, "seed"]),
    (p.sequence_of(p.integer(1)), [[1, 2], (3,), np.array([4])], [[], [0], "12", 5]),
    (p.either(p.choice("auto"), p.integer(1)), ["auto", 3], [0, "off"]),
]


@pytest.mark.parametrize(("rule", "good", "bad"), CASES)
def test_rules(rule: p.Rule, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        p.check_value("x", value, rule)
    for value in bad:
        with pytest.raises(InvalidParameterError, match="x must be"):
            p.check_value("x", value, rule)


class Owner:
    _parameters: ClassVar[p.Rules] = {"window": p.either(p.choice("auto"), p.integer(2))}

    def __init__(self, window: object) -> None:
        self.window = window


def test_the_message_names_owner_rule_and_value() -> None:
    p.check_parameters(Owner(3), Owner._parameters)
    text = r"window of Owner must be 'auto', or an integer >= 2, got 1.5 \(float\)"
    with pytest.raises(InvalidParameterError, match=text) as caught:
        p.check_parameters(Owner(1.5), Owner._parameters)
    assert isinstance(caught.value, ValueError)
