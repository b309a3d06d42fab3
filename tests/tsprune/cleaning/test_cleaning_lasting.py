"""Lasting level shifts: told and kept, and not seen where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.report import PruningRecord
from tsprune import SeriesCleaner
from tsprune.cleaning.model import SeriesModel
from tsprune.cleaning.patches import Patch, _sure_beside_the_end


def series(seed: int, phi: float, n: int = 600) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n)
    for t in range(1, n):
        noise[t] += phi * noise[t - 1]
    return 50 + 3 * np.sin(2 * np.pi * np.arange(n) / 24) + noise


def lasting(cleaner: SeriesCleaner) -> list[PruningRecord]:
    return [record for record in cleaner.report_.records if record.kind == "lasting level shift"]


@pytest.mark.parametrize("level_shift", ["repair", "keep", "report"])
def test_a_lasting_shift_is_told_and_kept(level_shift: str) -> None:
    y = series(1, 0.5)
    y[350:] += 9.0
    cleaner = SeriesCleaner(24, level_shift=level_shift)
    out = cleaner.fit_transform(y)
    np.testing.assert_array_equal(out[~cleaner.mask_], y[~cleaner.mask_])
    assert cleaner.mask_[340:].sum() <= 2
    (record,) = lasting(cleaner)
    assert record.item == "350"
    assert record.kept
    assert record.statistic > record.threshold
    assert 7.0 < float(record.reason.split()[1]) < 11.0
    assert "lasting level shift" not in set(cleaner.changes_["reason"])
    np.testing.assert_array_equal(cleaner.inverse_transform(out), out)


def test_two_lasting_shifts_end_where_the_next_begins() -> None:
    y = series(2, 0.3, 900)
    y[300:] += 10.0
    y[650:] -= 12.0
    cleaner = SeriesCleaner(24).fit(y)
    assert [record.item for record in lasting(cleaner)] == ["300", "650"]
    assert [change.stop for change in cleaner._results[0].changes if not change.repaired] == [650, 900]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 1.0])
def test_series_without_a_shift_have_none(phi: float) -> None:
    assert sum(len(lasting(SeriesCleaner(24).fit(series(seed, phi)))) for seed in range(6)) == 0


def test_a_trend_and_a_short_series_have_none() -> None:
    assert lasting(SeriesCleaner(24).fit(series(3, 0.2) + 0.5 * np.arange(600))) == []
    short = np.random.default_rng(0).normal(size=60)
    short[30:] += 20.0
    assert lasting(SeriesCleaner(None).fit(short)) == []


@pytest.mark.parametrize(("end", "kept"), [(0.5, [20, 60]), (6.0, [60]), (50.0, [])])
def test_a_large_step_left_alone_at_the_end_protects_all_but_far_larger_spikes(end: float, kept: list[int]) -> None:
    a = np.random.default_rng(3).uniform(-1.0, 1.0, 100)
    a[[20, 60, 98]] = 7.0, 40.0, end
    model = SeriesModel(np.zeros((100, 0)), a, np.ones(1), 0.0, np.ones(100))
    patches = [Patch(20, 21, 7.0, 7.0, 5.0), Patch(60, 61, 40.0, 40.0, 5.0)]
    found = _sure_beside_the_end(patches, model, np.zeros(100, bool))
    assert [patch.start for patch in found] == kept
    hidden = np.arange(100) == 98  # a missing row is no step
    assert _sure_beside_the_end(patches, model, hidden) == patches


def test_the_report_says_that_the_end_protects_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(3).normal(100.0, 1.0, 300)
    y[[60, 130]] += [9.0, -9.0]
    assert SeriesCleaner(None).fit(y).mask_[[60, 130]].all()
    monkeypatch.setattr("tsprune.cleaning.patches._sure_beside_the_end", lambda *_: [])
    doubtful = SeriesCleaner(None).fit(y)
    assert not doubtful.mask_.any()
    assert any("ends in large steps" in sentence for sentence in doubtful.report_.guards)
