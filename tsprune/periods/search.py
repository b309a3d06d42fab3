"""The search for one period after the other, and for the part of it that carries its evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsprune.periods.cycle import exact_length, explained_share, season_of
from tsprune.periods.kernels.periodogram import comb_scores, log_gamma_tail
from tsprune.periods.spectrum import Whitened

__all__ = ["Found", "Limits", "search"]

Floats = NDArray[np.float64]

_N_HARMONICS = 64  # a shape with finer detail than this still shows in its first 64 harmonics
_CARRIES = 0.995  # quantile that the share of a part's harmonics has to pass
_STRENGTH_MIN = 0.01  # of the variance; less is of no use, however significant
_NO_EVIDENCE = math.log(0.01)
_ONE_LINE = 0.5  # turns over the whole series, by which the part and the fraction may differ
_APART = 0.15  # two periods closer than this share are one broad line
_PEAKS = 24  # of the spectrum, tried as fundamentals of cycles that are no whole number of rows
_SHORTEST_FRACTION = 5.0  # rows: of shorter cycles a fraction is none
_FRACTION = 6.0  # log odds by which a fraction has to be better than the best whole number
_NEARLY = 0.4  # of the score of a fraction: the whole number next to it is taken
_SIMPLER = 0.97  # of the score: with half the harmonics, a line between whole numbers is what a long comb has caught
_AS_GOOD = 0.65  # of what the best fraction explains is enough for a season of the calendar, or a whole number of rows
_MANY_CYCLES = 5  # with fewer, each one less asks for ten times the significance
_LARGEST_TURN = 0.125  # of a cycle, by which its phase may be off at the end of the series
_MOST_OF_REST = 0.5  # of the variance that a period left: a multiple that explains it is the season itself
_TWICE = 3  # a period that holds another one this often replaces it; a week holds the day beside it
_CALENDAR = 0.02  # a season of the calendar is taken instead of a length this near
_CALENDAR_CYCLES = 2  # that day and week have to be seen
_CALENDAR_COST = math.log(1e4)  # for seasons of the calendar of fewer cycles than others need


@dataclass(frozen=True)
class Limits:
    """What is looked for.

    Attributes
    ----------
    most : int
        Periods.
    alpha : float
    shortest, longest : int
        Candidates, in rows.
    steps_per_day : float
        Rows a day; 0 where days are unknown.
    """

    most: int
    alpha: float
    shortest: int
    longest: int
    steps_per_day: float = 0.0

    def calendar(self) -> tuple[float, ...]:
        """Return the seasons of the calendar in rows: day, week, year."""
        per_day = self.steps_per_day
        if per_day == 0.0:
            return ()
        business = 0.5 < per_day < 1.0  # five steps a week
        lengths = (per_day, 7.0 * per_day, (261.0 if business else 365.2425 * per_day))
        return tuple(length for length in lengths if length >= max(self.shortest, 1.5))

    def needed(self, length: float, n: int) -> float:
        """Return the log p-value that a cycle of `length` rows needs in `n`; few cycles need stronger evidence."""
        missing = max(0.0, _MANY_CYCLES - math.floor(n / length + 1e-9))
        return math.log(self.alpha) - missing * math.log(10.0)


@dataclass(frozen=True)
class Found:
    """One period: length in rows (exact), log p-value, share of the variance."""

    length: float
    log_p: float
    strength: float

    @property
    def period(self) -> int:
        """The length in whole rows."""
        return round(self.length)


def search(y: Floats, limits: Limits) -> list[Found]:
    """Find one period after the other in `y` (n,), each in what the ones before have left."""
    found: list[Found] = []
    removed: list[float] = []
    rest, n = y, len(y)
    while len(found) < limits.most and len(removed) < limits.most + _TWICE:
        candidate = _strongest(rest, limits, removed)
        if candidate is None or candidate[1] > limits.needed(candidate[0], n):
            break
        length, log_p, n_harmonics = candidate
        season, strength = season_of(rest, length, n_harmonics)
        if strength < _STRENGTH_MIN or any(_is_known(round(length), round(other)) for other in removed):
            break
        rest = rest - season
        removed.append(length)
        # a year of 52.18 weeks is 52 to everybody, not four years of 209; what else is no whole number is taken whole
        named = any(abs(length - season) <= _CALENDAR * season for season in limits.calendar())
        here = Found(length if named else _whole(length, n, limits.longest), log_p, strength)
        whole = any(round(season) == here.period for season in limits.calendar()) or strength > _MOST_OF_REST
        inside = [k for k, other in enumerate(found) if whole and _holds(here.period, other.period)]
        if inside:  # twice a day, and the day: one season, of which the first half was found first
            first = found[inside[0]]
            joined = 1.0 - (1.0 - first.strength) * (1.0 - strength)
            found[inside[0]] = Found(length, min(log_p, first.log_p), joined)
            found = [other for k, other in enumerate(found) if k not in inside[1:]]
        else:
            found.append(here)
    return _with_day(found, y, limits)


def _with_day(found: list[Found], y: Floats, limits: Limits) -> list[Found]:
    """Return the periods found in `y` (n,), with the day before a week that hides it: the mean week holds the day."""
    calendar = [round(season) for season in limits.calendar()[:2]]
    periods = [f.period for f in found]
    if len(calendar) < 2 or calendar[1] not in periods or calendar[0] in periods or calendar[1] != 7 * calendar[0]:
        return found
    day, at, spectra = float(calendar[0]), periods.index(calendar[1]), Whitened.of(y)
    if spectra is None:
        return found
    n_harmonics, score = _comb_score(spectra, day)
    log_p, strength = math.log(2.0 * len(y)) - score, season_of(y, day, n_harmonics)[1]
    if log_p > limits.needed(day, len(y)) or strength < _STRENGTH_MIN:
        return found
    return [*found[:at], Found(day, log_p, strength), *found[at:]][: max(limits.most, at + 1)]


def _whole(length: float, n: int, longest: int) -> float:
    """Return the length of the fewest cycles that are whole rows, as nearly as their phase needs over `n` rows."""
    for k in range(1, max(1, int(longest / length)) + 1):
        off = abs(k * length - round(k * length))
        if off * n / (k * length) <= _LARGEST_TURN * length:
            return k * length
    return length


def _holds(period: int, part: int) -> bool:
    """Tell whether a cycle of `period` rows is two or three of `part` rows."""
    return period % part == 0 and 1 < period // part <= _TWICE


def _is_known(period: Any, found: int) -> Any:
    """Tell of a period, or of several (k,), whether it is a found one again: a part of it, or nearly it."""
    return (found % period == 0) | (abs(period - found) < _APART * found)


def _strongest(y: Floats, limits: Limits, removed: list[float]) -> tuple[float, float, int] | None:
    """Return length, log p-value (corrected for the search) and harmonics of the most significant cycle of `y` (n,)."""
    n = len(y)
    spectra = Whitened.of(y)
    if spectra is None:
        return None
    for length in removed:
        spectra.mask_lines(length)
    best = _best_candidate(spectra, limits, removed, n)
    if best is None:
        return None
    length, n_harmonics, score = best
    log_p = min(0.0, math.log(2.0 * n) - score)
    length, n_harmonics = _carrying_part(spectra, length, n_harmonics, limits.shortest)
    length = exact_length(spectra, length, n_harmonics)
    if length != round(length):
        most = explained_share(spectra, length, n_harmonics)
        near = [season for season in limits.calendar() if abs(length / season - 1.0) <= _CALENDAR and 2 * season <= n]
        for simpler in (*near, float(max(2, round(length)))):
            if explained_share(spectra, simpler, n_harmonics) >= _AS_GOOD * most:
                length = simpler
                break
    length = length if length in limits.calendar() else min(length, limits.longest + 0.49)
    return length, log_p, n_harmonics


def _best_candidate(spectra: Whitened, limits: Limits, removed: list[float], n: int) -> tuple[float, int, float] | None:
    """Return length, number of harmonics and score of the best cycle: a whole number of rows, or a peak between."""
    scores, harmonics = comb_scores(spectra.white, spectra.n_transform, limits.shortest, limits.longest, _N_HARMONICS)
    candidates = np.arange(limits.shortest, limits.longest + 1)
    for length in removed:
        scores[_is_known(candidates, round(length))] = 0.0
    tried: list[tuple[float, int, float]] = []
    if scores.size and scores.max() > 0.0:
        best = int(np.argmax(scores))
        tried.append((float(limits.shortest + best), int(harmonics[best]), float(scores[best])))
    for season in limits.calendar():
        fits = limits.longest < season and n / season >= _CALENDAR_CYCLES and season < 8.0 * limits.steps_per_day
        if fits and not any(_is_known(round(season), round(other)) for other in removed):
            n_harmonics, score = _comb_score(spectra, season)
            tried.append((season, n_harmonics, score - _CALENDAR_COST))
    fractions: list[tuple[float, int, float]] = []
    whole = max(tried, key=lambda candidate: candidate[2], default=(0.0, 0, 0.0))
    for length in _peaks(spectra, limits):
        if not any(_is_known(length, round(other)) for other in removed):
            n_harmonics, score = _comb_score(spectra, length)
            if _comb_score(spectra, float(round(length)))[1] >= _NEARLY * score:
                continue  # the whole number next to it will do
            simpler = 2 * n_harmonics <= whole[1] and score > _SIMPLER * whole[2]
            if score > whole[2] + _FRACTION or simpler:
                fractions.append((length, n_harmonics, score))
    return max(fractions or tried, key=lambda candidate: candidate[2], default=None)


def _peaks(spectra: Whitened, limits: Limits) -> list[float]:
    """Return the lengths of the highest lines of the whitened spectrum, in rows and fractions of one."""
    white, n = spectra.white, spectra.n_transform
    low, high = math.ceil(n / (limits.longest + 0.5)), int(n / max(_SHORTEST_FRACTION, limits.shortest - 0.5))
    where = np.arange(max(1, low), min(high, len(white) - 2) + 1)
    if not where.size:
        return []
    where = where[(white[where] >= white[where - 1]) & (white[where] > white[where + 1])]
    highest = where[np.argsort(-white[where], kind="stable")[:_PEAKS]]
    return [float(n / k) for k in highest]


def _comb_score(spectra: Whitened, length: float) -> tuple[int, float]:
    """Return number of harmonics and score of a cycle of any length, as `comb_scores` finds them for whole ones."""
    last = min(int(length / 2), _N_HARMONICS)
    sums = np.cumsum(spectra.ordinates(spectra.white, length, np.arange(1, last + 1)))
    best, due = (1, 0.0), 1
    for k in range(1, last + 1):
        if k in (due, last):
            score = -float(log_gamma_tail(k, float(sums[k - 1])))
            best = (k, score) if score > best[1] else best
            due += (max(1, due // 2) if due >= 4 else 1) if k == due else 0
    return best


def _carrying_part(spectra: Whitened, length: float, n_harmonics: int, shortest: int) -> tuple[float, int]:
    """Return the part of a cycle whose harmonics carry all of its evidence, or the cycle, and its harmonics.

    A day inside a week: of the first harmonics of the week, those of the day carry nearly everything. If the power were
    spread evenly and at random, the share of the r-th, 2r-th, ... would be Beta distributed. A part is also taken where
    the other harmonics are no evidence at all, and the series is too short to tell the part from the fraction.
    """
    from scipy.stats import beta

    def power(spectrum: Floats, of_length: float, n: int) -> float:
        order = np.arange(1, min(n, int(of_length / 2)) + 1)
        return float(spectra.ordinates(spectrum, of_length, order).sum())

    total = power(spectra.excess, length, n_harmonics)
    if n_harmonics < 2 or total <= 0.0:
        return length, n_harmonics
    for ratio in range(min(int(length / shortest), n_harmonics), 1, -1):
        part, n_inside = float(round(length / ratio)), n_harmonics // ratio
        share = power(spectra.excess, part, n_inside) / total
        if share <= 0.5 + 0.5 / ratio**2:
            continue
        if share > beta.ppf(_CARRIES, n_inside, max(1, n_harmonics - n_inside)):
            return part, n_inside
        order = np.arange(1, n_harmonics + 1)
        order = order[order % ratio > 0]
        evidence = log_gamma_tail(len(order), float(spectra.ordinates(spectra.white, length, order).sum()))
        if evidence > _NO_EVIDENCE and abs(len(spectra.known) * (1.0 / part - ratio / length)) < _ONE_LINE:
            return part, n_inside
    return length, n_harmonics
