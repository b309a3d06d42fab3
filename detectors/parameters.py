"""Parameter rules: one declarative table per class, checked when `fit` is called.

A class states ``_parameters: ClassVar[Rules] = {"n_estimators": integer(1), "period": either(choice("auto"),
integer(2))}`` and calls ``check_parameters(self, self._parameters)`` first thing in `fit`. NumPy scalars
count as the Python numbers they hold; a Boolean is never a number.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.exceptions import InvalidParameterError

__all__ = [
    "Rule", "Rules", "anything", "boolean", "check_parameters", "check_value", "choice", "either",
    "has_methods", "instance_of", "integer", "nothing", "random_state", "real", "sequence_of",
]  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """What a parameter may be: a sentence for people and a predicate for the machine."""

    text: str
    accepts: Callable[[Any], bool]


Rules = Mapping[str, Rule]


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool | np.bool_)


def _range_text(low: float | None, high: float | None, open_low: bool = False, open_high: bool = False) -> str:
    """Words for an interval; empty for none."""
    parts = []
    if low is not None:
        parts.append(f"{'>' if open_low else '>='} {low:g}")
    if high is not None:
        parts.append(f"{'<' if open_high else '<='} {high:g}")
    return " and ".join(parts)


def integer(low: int | None = None, high: int | None = None) -> Rule:
    """An integer in [low, high]."""

    def accepts(value: Any) -> bool:
        if _is_boolean(value) or not isinstance(value, numbers.Integral):
            return False
        return (low is None or int(value) >= low) and (high is None or int(value) <= high)

    return Rule(f"an integer {_range_text(low, high)}".rstrip(), accepts)


def real(
    low: float | None = None, high: float | None = None, *, open_low: bool = False, open_high: bool = False
) -> Rule:
    """A finite real number in the interval; integers count."""

    def accepts(value: Any) -> bool:
        if _is_boolean(value) or not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
            return False
        x = float(value)
        above = low is None or (x > low if open_low else x >= low)
        below = high is None or (x < high if open_high else x <= high)
        return above and below

    return Rule(f"a finite number {_range_text(low, high, open_low, open_high)}".rstrip(), accepts)


def boolean() -> Rule:
    """True or False."""
    return Rule("True or False", _is_boolean)


def choice(*values: str) -> Rule:
    """One of the given texts."""
    return Rule(" or ".join(repr(v) for v in values), lambda value: isinstance(value, str) and value in values)


def nothing() -> Rule:
    """None."""
    return Rule("None", lambda value: value is None)


def anything() -> Rule:
    """Whatever the wrapped library accepts; it does the checking."""
    return Rule("anything", lambda _value: True)


def instance_of(*types: type) -> Rule:
    """An instance of one of the types."""
    return Rule(" or ".join(f"a {t.__name__}" for t in types), lambda value: isinstance(value, types))


def has_methods(*names: str) -> Rule:
    """An object (not a class) with the given methods."""
    text = f"an object with {', '.join(names)}"
    return Rule(
        text,
        lambda value: not isinstance(value, type) and all(callable(getattr(value, n, None)) for n in names),
    )


def random_state() -> Rule:
    """None, a non-negative integer, or a numpy RandomState."""
    return either(nothing(), integer(0, 2**32 - 1), instance_of(np.random.RandomState))


def sequence_of(rule: Rule, min_length: int = 1) -> Rule:
    """A list, tuple or array whose members keep `rule`."""

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, list | tuple | np.ndarray)
            and len(value) >= min_length
            and all(rule.accepts(v) for v in value)
        )

    return Rule(f"a sequence of {rule.text}", accepts)


def either(*rules: Rule) -> Rule:
    """Any of the rules."""
    return Rule(", or ".join(rule.text for rule in rules), lambda value: any(rule.accepts(value) for rule in rules))


def check_value(name: str, value: Any, rule: Rule, *, owner: str = "") -> None:
    """Raise `InvalidParameterError` unless `value` keeps `rule`."""
    if not rule.accepts(value):
        where = f" of {owner}" if owner else ""
        raise InvalidParameterError(f"{name}{where} must be {rule.text}, got {value!r} ({type(value).__name__}).")


def check_parameters(estimator: Any, rules: Rules) -> None:
    """Check every parameter of an estimator against the table of its class.

    Raises
    ------
    InvalidParameterError
        At the first parameter that breaks its rule; names parameter, rule and value.
    """
    for name, rule in rules.items():
        check_value(name, getattr(estimator, name), rule, owner=type(estimator).__name__)
