"""The backtest withdraws kinds of changes that make the series forecast itself worse, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from tsprune import SeriesCleaner
from tsprune.cleaning import column, patches
from tsprune.cleaning.backtest import Backtest, backtest
from tsprune.cleaning.patches import Patch


def test_a_change_is_one_case_and_only_sound_rows_are_forecast() -> None:
    old = np.array([0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 5.0, 7.0, np.nan, 7.0])
    new = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0])
    sound = (old == new) & ~np.isnan(old)
    assert backtest(old, new, [(1, 3)], sound, 2) == Backtest(better=1, worse=0)
    assert backtest(old, new, [(6, 7)], sound, 3) == Backtest(better=0, worse=1)  # the level of the last row is 7
    assert backtest(old, new, [(6, 8)], sound, 1) == Backtest(better=0, worse=0)  # nobody sound is a row later
    assert backtest(old, new, [(8, 9)], sound, 1) == Backtest(better=0, worse=0)  # a gap has no old value


@pytest.mark.parametrize(("better", "worse", "harmful"), [(0, 4, False), (0, 5, True), (10, 12, False), (0, 0, False)])
def test_few_cases_prove_nothing(better: int, worse: int, harmful: bool) -> None:
    assert Backtest(better, worse).is_harmful is harmful


def test_changes_that_forecast_worse_are_withdrawn_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.cumsum(np.random.default_rng(0).normal(size=400))
    y[100:108] = np.nan
    honest = patches.find_patches

    def eager(x, wrong, periods, clocks):
        """Take rows for spikes that are nothing of the kind: a random walk goes on where they stand."""
        _, blocks, model, said = honest(x, wrong, periods, clocks)
        steps = np.flatnonzero(np.abs(np.diff(y[:-1])) > 1.5) + 1
        apart = steps[np.r_[True, np.diff(steps) > 3]]
        return [Patch(int(t), int(t) + 1, 9.0, 9.0, 5.0) for t in apart], blocks, model, said

    monkeypatch.setattr(patches, "find_patches", eager)
    cleaner = SeriesCleaner(None)
    out = cleaner.fit_transform(y)
    assert any("backtest: " in guard and "(spike)" in guard for guard in cleaner.report_.guards)
    assert not cleaner.mask_.any()
    seen = ~np.isnan(y)
    np.testing.assert_array_equal(out[seen], y[seen])
    assert np.isfinite(out).all()  # gaps stay filled
    assert set(cleaner.changes_["reason"]) == {"gap"}


def test_a_block_that_is_withdrawn_leaves_the_spikes_inside_at_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(0.0, 0.2, 600)
    y[300:340] += 8.0
    y[320] += 6.0
    monkeypatch.setattr(Backtest, "is_harmful", property(lambda self: self.better + self.worse > 0))
    monkeypatch.setattr(column, "_FORECAST", ("level shift",))
    cleaner = SeriesCleaner(None, level_shift="keep")
    out = cleaner.fit_transform(y)
    assert "level shift" not in set(cleaner.changes_["reason"])
    np.testing.assert_array_equal(out[300:320], y[300:320])
    assert abs(out[320] - 8.0) < 1.0
    np.testing.assert_array_equal(cleaner.inverse_transform(out), out)


def test_real_spikes_pass_the_backtest() -> None:
    rng = np.random.default_rng(2)
    y = 10 + 3 * np.sin(np.arange(1000) / 24 * 2 * np.pi) + rng.normal(0, 0.3, 1000)
    rows = rng.choice(np.arange(30, 970, 7), 20, replace=False)
    y[rows] += 8.0
    cleaner = SeriesCleaner(24).fit(y)
    assert cleaner.mask_[rows].all()
    assert not any("backtest" in guard for guard in cleaner.report_.guards)
