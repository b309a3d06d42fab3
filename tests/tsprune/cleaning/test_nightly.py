"""The nightly job: settled decisions stand, and a stored cleaner goes on where it was."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detectors.exceptions import StoredModelError
from tsprune import SeriesCleaner


def series(seed: int = 0, n: int = 420) -> pd.Series:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    y = 200 * (1 + 0.2 * t / n) * (1 + 0.3 * np.sin(2 * np.pi * t / 7)) * np.exp(rng.normal(0, 0.1, n))
    y[[120, 260, 380]] *= 8
    y[180] *= 0.45
    return pd.Series(y, pd.date_range("2024-01-01", periods=n), name="sales")


def test_settled_decisions_never_flip_in_updates() -> None:
    y = series(1)
    cleaner = SeriesCleaner(7).fit(y.iloc[:300])
    before = set(cleaner.changes_["time"])
    for end in range(305, 421, 5):
        settled = y.index[end - 5 - 1 - 14]
        old = {time for time in cleaner.changes_["time"] if time <= settled}
        cleaner.update(y.iloc[end - 5 : end])
        assert {time for time in cleaner.changes_["time"] if time <= settled} == old
    assert {y.index[k] for k in (120, 260, 380)} <= set(cleaner.changes_["time"])
    since = cleaner.changes_.set_index("time")["since"]
    assert since[y.index[120]] == y.index[299]
    assert y.index[380] <= since[y.index[380]] < y.index[-1]
    assert before <= set(cleaner.changes_["time"]) | {y.index[299 - k] for k in range(15)}


def test_refitted_every_night_settled_decisions_hardly_flip() -> None:
    flips = ever = 0
    for seed in range(4):
        y = series(seed, 500)
        found = {end: set(SeriesCleaner(7).fit(y.iloc[:end]).changes_["time"]) for end in range(400, 500, 20)}
        for time in set().union(*found.values()):
            told = [time in times for end, times in found.items() if y.index[end - 1] - time >= pd.Timedelta("14D")]
            ever += any(told)
            flips += sum(a != b for a, b in pairwise(told))
    assert ever >= 12
    assert flips <= 1


@pytest.mark.parametrize("kind", ["stamps", "zone", "integers", "rows", "frame", "periods", "durations", "time column"])
def test_a_stored_cleaner_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    y, path = series(), tmp_path / "cleaner.tsprune"
    z = y.copy()
    column = None
    if kind == "zone":
        z.index = z.index.tz_localize("Europe/Berlin")
    elif kind in ("integers", "rows"):
        z.index = pd.RangeIndex(5, 5 + len(z))
        z = z if kind == "integers" else z.to_numpy()
    elif kind == "frame":
        z = pd.DataFrame({"a": y, "b": y[::-1].to_numpy()})
    elif kind == "periods":
        z.index = z.index.to_period("D")
    elif kind == "durations":
        z.index = pd.to_timedelta(np.arange(len(z)), unit="D")
    elif kind == "time column":
        column, z = "when", pd.DataFrame({"sales": y.to_numpy(), "when": y.index})
    cut = (lambda a, b: z[a:b]) if kind == "rows" else (lambda a, b: z.iloc[a:b])
    cleaner = SeriesCleaner(7, time_column=column).fit(cut(0, 350))
    cleaner.update(cut(350, 400))
    cleaner.save(path)
    again = SeriesCleaner.load(path)
    pd.testing.assert_frame_equal(again.changes_, cleaner.changes_)
    np.testing.assert_array_equal(again.mask_, cleaner.mask_)
    assert again.get_params() == cleaner.get_params()
    assert again.periods_ == cleaner.periods_
    for one in (cleaner, again):
        one.update(cut(400, 420))
    pd.testing.assert_frame_equal(again.changes_, cleaner.changes_)


def test_a_stored_causal_cleaner_judges_on(tmp_path: Path) -> None:
    y, path = series(), tmp_path / "cleaner.tsprune"
    cleaner = SeriesCleaner(7, causal=True, protect=["2024-04-30"]).fit(y.iloc[:300])
    cleaner.save(path)
    with pytest.raises(StoredModelError, match="protect of a cleaner are not stored"):
        SeriesCleaner.load(path)
    again = SeriesCleaner.load(path, protect=["2024-04-30"]).partial_fit(y.iloc[300:])
    pd.testing.assert_frame_equal(again.changes_, cleaner.partial_fit(y.iloc[300:]).changes_)
    assert not hasattr(cleaner, "update")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cleaner.tsprune"
    SeriesCleaner(7).fit(series()).save(path)
    stored = path.read_bytes()
    path.write_bytes(stored[:-5])
    with pytest.raises(StoredModelError):
        SeriesCleaner.load(path)
    path.write_bytes(b"PK\x03\x04 a pickle in disguise")
    with pytest.raises(StoredModelError):
        SeriesCleaner.load(path)
