"""Every parameter: in the table, checked in `fit`, untouched by it, and every value it can have built once."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from contract.options import options
from contract.subjects import (
    ESTIMATORS,
    FLEET_STREAMS,
    GUARDS,
    LOG_DETECTORS,
    PUBLIC,
    ROW_SELECTORS,
    ROWS_IN_ORDER,
    SERIES_CLEANERS,
    SERIES_DETECTORS,
    SERIES_PRUNERS,
    STREAMS,
    TABLE_DETECTORS,
    TABLE_SELECTORS,
    WORD_SELECTORS,
    build,
    log_lines,
    series,
    table,
    word_counts,
)
from detectors.exceptions import InvalidParameterError

CLASSES = sorted(set(ESTIMATORS) | STREAMS | FLEET_STREAMS | GUARDS)
OPTIONS = options()
TABLES = TABLE_DETECTORS | TABLE_SELECTORS | ROW_SELECTORS | ROWS_IN_ORDER
SERIES = SERIES_PRUNERS | SERIES_CLEANERS | SERIES_DETECTORS
CASES = [(c, p, v) for c in CLASSES for p, values in OPTIONS.get(c, {}).items() for v in values]
BESIDE = {  # values that make sense beside another one only
    ("seasonal_window", "[7, 9]"): {"period": [12, 30]},
    ("causal", "True"): {"period": 12},
}


def frame(n: int = 120) -> pd.DataFrame:
    y = series(n, 2)
    return pd.DataFrame(y, columns=["s0", "s1"], index=pd.date_range("2024-01-01", periods=n, freq="h"))


def learn(name: str, learner: Any) -> Any:
    if name in TABLES:
        return learner.fit(table(120))
    if name in WORD_SELECTORS:
        return learner.fit(word_counts())
    if name in LOG_DETECTORS:
        return learner.fit(log_lines())
    if name == "StreamMonitor":
        return learner.prime(frame())
    if name in FLEET_STREAMS:
        return learner.update(np.array([1.0, 2.0]))
    if name in GUARDS:
        return PUBLIC["FeaturePruner"](guard=learner, random_state=0).fit(table(120))
    if name == "OnlineDecomposer":
        return learner.update_many(series(120))
    if getattr(learner, "contamination", None) == "labels":
        return learner.fit(series(120), np.repeat([1, -1, 0], [60, 1, 59]))
    if getattr(learner, "time_column", None) == "when":
        return learner.fit(frame().reset_index(names="when"))
    return learner.fit(series(120))


def make(name: str, **parameters: Any) -> Any:
    if name in FLEET_STREAMS:
        parameters.setdefault("n_series", 2)
    return build(name, **parameters) if name in ESTIMATORS else PUBLIC[name](**parameters)


@pytest.mark.parametrize("name", CLASSES)
def test_the_table_has_every_parameter(name: str) -> None:
    constructor = inspect.signature(PUBLIC[name]).parameters
    assert set(PUBLIC[name]._parameters) == set(constructor)
    n_positional = 2 if name == "OnlineFleet" else 1  # how many series, and of which period
    keyword_only = [p.kind is inspect.Parameter.KEYWORD_ONLY for p in list(constructor.values())[n_positional:]]
    assert all(keyword_only)


@pytest.mark.parametrize("name", CLASSES)
def test_every_value_is_listed(name: str) -> None:
    """The rules are texts too: every quoted word, None, True and False must be among the values that are built."""
    for parameter, rule in PUBLIC[name]._parameters.items():
        listed = OPTIONS[name].get(parameter, [])
        assert listed, f"{name}.{parameter} is never built"
        flat = [str(w) for v in listed for w in (v if isinstance(v, list | tuple) else [v])]
        for word in re.findall(r"'(\w+)'", rule.text):
            assert word in flat, f"{name}.{parameter}={word!r} is never built"
        if "None" in rule.text:
            assert any(v is None for v in listed), f"{name}.{parameter}=None is never built"
        if "True or False" in rule.text and "integer" not in rule.text and "'" not in rule.text:
            assert {True, False} <= {v for v in listed if isinstance(v, bool)} or parameter == "verbose"
        for value in listed:
            assert rule.accepts(value), f"{name}.{parameter} must be {rule.text}, the suite builds {value!r}"


@pytest.mark.parametrize(
    ("name", "parameter", "value"), CASES, ids=[f"{c}-{p}-{k}" for k, (c, p, _) in enumerate(CASES)]
)
def test_every_value_is_built(name: str, parameter: str, value: Any) -> None:
    beside = BESIDE.get((parameter, str(value)), {})
    learner = make(name, **{parameter: value}, **beside)
    before = dict(vars(learner))
    learn(name, learner)
    for key, kept in before.items():
        if not key.startswith("_") and key != "random_state":
            assert vars(learner)[key] is kept, f"fit changes {key}"


@pytest.mark.parametrize("name", CLASSES)
def test_a_wrong_value_is_an_error_that_names_it(name: str) -> None:
    for parameter, rule in PUBLIC[name]._parameters.items():
        for wrong in (object(), -1.5, "nonsense"):
            if rule.accepts(wrong):
                continue
            with pytest.raises(InvalidParameterError, match=parameter):
                learn(name, make(name, **{parameter: wrong}))


@pytest.mark.parametrize("name", sorted((TABLES | SERIES) & set(PUBLIC)))
def test_clone_has_the_same_parameters_and_nothing_else(name: str) -> None:
    fitted = build(name)
    learn(name, fitted)
    twin = clone(fitted)
    assert repr(twin) == repr(fitted)
    assert not [key for key in vars(twin) if key.endswith("_") and not key.startswith("_")]
    assert isinstance(np.asarray(list(twin.get_params())), np.ndarray)
