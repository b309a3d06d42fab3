"""The decision about every feature of a table: criteria, blocks and guard put together.

Law: evidence first (`relevance`, `blocks`), then the guard, which only gives back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.blas import one_blas_thread
from detectors.features.blocks import dependence_blocks, normality_log_p
from detectors.features.duplicates import FEWEST_ROWS_OF_COPIES, duplicate_columns, true_copies
from detectors.features.joint_relevance import joint_log_p
from detectors.features.relevance import KURTOSIS_LIMIT, RankBasis, discoveries, pair_evidence, rank_basis
from detectors.features.sparse_counts import (
    LEAST_TOP_AGREEMENT,
    column_roles,
    is_sparse_counts,
    state_surprise,
    thinned_copies,
    top_agreement,
)
from detectors.tables import quartiles, reach

__all__ = ["INFORMED_KINDS", "INFORMED_LEVEL", "Decision", "decide"]

INFORMED_KINDS = ("no evidence against the reference", "no evidence of the labels", "no tie to an anchor")
INFORMED_LEVEL = 0.05  # of the evidence that knowledge gives for a block, over all blocks

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_EDGE_LEVEL = 0.01  # probability of any false edge between blocks, over all pairs
_GROWTH_ROUNDS = 3
_LEAST_REMAINING = 0.1  # share of the dependent features that must lie in other blocks before a normal one may go
_NORMALITY_ROWS = 1000  # more rows would reject normality for deviations that no detector can see
_RARE = 0.05  # of the rows: a state of a sparse column that is rarer is evidence by itself
_HARMFUL = 12.0  # normal scores (robust) beyond which an independent column tops every ranking


@dataclass
class Decision:
    """What becomes of every feature.

    Parameters
    ----------
    kinds : ndarray of str of shape (n_features,)
    log_p : ndarray of shape (n_features,)
        Natural logarithm of the p-value of "depends on nothing".
    partner : ndarray of int of shape (n_features,)
        Strongest partner, or the original of a duplicate; -1 for none.
    blocks : ndarray of int of shape (n_features,)
    support : ndarray of bool of shape (n_features,)
    n_rows : int
        Rows that were tested.
    sentences : list of str
        What the guards said.
    figures : dict
        Totals worth telling.
    returned : ndarray of bool of shape (n_features,) or None
        The features a guard gave back.
    normality : ndarray of shape (n_features,) or None
        Natural logarithm of the p-value of "its block is jointly normal"; NaN where that decided nothing.
    informed : ndarray of shape (n_features,) or None
        Natural logarithm of the p-value of "what is known beside the table has nothing to do with its block".
    """

    kinds: NDArray[Any]
    log_p: Floats
    partner: Numbers
    blocks: Numbers
    support: Mask
    n_rows: int
    sentences: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    returned: Mask | None = None
    normality: Floats | None = None
    informed: Floats | None = None

    def keep(self, which: Mask, sentence: str) -> None:
        """Keep the features `which` (n_features,) whatever was found, and say why."""
        self.support = self.support | which
        self.returned = which if self.returned is None else self.returned | which
        self.sentences.append(sentence)

    def evidence(self, alpha: float, normality_level: float) -> tuple[Floats, Floats, Floats]:
        """Statistic, threshold and p-value (n_features,) of what decided; NaN where nothing was tested.

        Minus log p of "depends on nothing" against `alpha`, but for a block minus log p of "jointly normal" against
        `normality_level`, and for a copy the size of its correlation with the original.
        """
        log_p, threshold = self.log_p.copy(), np.full(len(self.log_p), -math.log(alpha))
        blocks, copies = self.kinds == "irrelevant block", self.kinds == "duplicate"
        if self.normality is not None:
            log_p[blocks] = self.normality[blocks]
        threshold[blocks] = -math.log(normality_level)
        informed = np.isin(self.kinds, INFORMED_KINDS)
        if self.informed is not None:
            log_p[informed] = self.informed[informed]
        threshold[informed] = -math.log(INFORMED_LEVEL)
        untested = np.isin(self.kinds, ("constant", "untested", "duplicate", "template copy", "interchangeable"))
        log_p[untested] = np.nan
        threshold[untested] = np.nan
        threshold[copies] = 1.0
        return np.where(copies, 1.0, np.abs(log_p)), threshold, np.exp(log_p)

    def reasons(self, names: NDArray[Any]) -> list[str]:
        """One sentence per feature, with `names` (n_features,)."""
        back = np.zeros(len(self.kinds), dtype=bool) if self.returned is None else self.returned
        sentences = []
        normality = np.full(len(self.kinds), np.nan) if self.normality is None else self.normality
        for kind, partner, log_p, returned, normal in zip(
            self.kinds, self.partner, self.log_p, back, normality, strict=True
        ):
            law = f"{math.exp(normal):.2g}"
            p = f"{math.exp(log_p):.2g}" if log_p > -600 else "1e-260 or less"
            other = names[partner] if partner >= 0 else "another feature"
            text = {
                "relevant": f"depends on other features, most on {other} (p = {p})",
                "constant": "never varies",
                "untested": "varies too rarely for the rows that were drawn; without evidence it stays",
                "duplicate": f"copy of {other} up to shift, scale and sign",
                "template copy": f"comes and goes with {other}; half of such columns stay and keep the group's share",
                "interchangeable": f"one of many values that come with {other}; which of them depends on nothing else",
                "rare": "depends on no other feature, but its rarer state comes in few rows: evidence by itself",
                "independent noise": f"depends on no other feature (smallest p = {p})",
                "harmful": f"depends on no other feature (smallest p = {p}), with extremes that would top any ranking",
                "no evidence against the reference": "other rows look like the reference here, unlike in other blocks",
                "no evidence of the labels": "labelled anomalies look like other rows here, unlike in other blocks",
                "no tie to an anchor": "its block holds none of the columns named as anchors",
                "irrelevant block": f"its block is consistent with a joint normal law (p = {law}), others are not",
            }[str(kind)]
            sentences.append(f"{text}; kept by a guard" if returned else text)
        return sentences


@one_blas_thread()
def decide(
    X: Floats,
    constant: Mask,
    whole: Any,
    *,
    alpha: float,
    normality_level: float | None,
    duplicates: bool,
    screen_above: int,
    guard: Any,
    rng: np.random.Generator,
) -> Decision:
    """Decide about every column of a row sample.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        NaN is missing.
    constant : ndarray of bool of shape (n_features,)
        Columns that do not vary in the whole table.
    whole : ndarray or CSR matrix of shape (n_all_rows, n_features)
        The table the sample comes from: copies in the sample must be copies there.
    alpha, normality_level, duplicates, screen_above, guard
        As in `FeaturePruner`; `normality_level` None leaves the blocks alone.
    rng : numpy Generator

    Returns
    -------
    Decision
    """
    n_rows, n_features = X.shape
    kinds = np.full(n_features, "independent noise", dtype=object)
    kinds[constant] = "constant"
    partner = np.full(n_features, -1, dtype=np.int64)
    counted = is_sparse_counts(whole)
    if duplicates and not counted and whole.shape[0] >= FEWEST_ROWS_OF_COPIES:
        original = true_copies(duplicate_columns(X), whole) if len(X) < whole.shape[0] else duplicate_columns(X)
        copies = (original >= 0) & ~constant
        kinds[copies] = "duplicate"
        partner[copies] = original[copies]
    tested = np.flatnonzero(kinds == "independent noise")
    log_p, blocks = np.zeros(n_features), np.arange(n_features)
    found = Decision(kinds, log_p, partner, blocks, np.zeros(n_features, dtype=bool), n_rows)
    basis = rank_basis(X[:, tested])
    if len(tested) > 1:
        overall, names = _overall(basis), np.arange(len(tested))
        if len(tested) > screen_above:
            joint = joint_log_p(basis, np.ones(len(tested), dtype=bool))
            names = np.sort(np.argsort(joint, kind="stable")[:screen_above])
        seeds = discoveries(overall + math.log(2.0), alpha)
        given = (overall[names], seeds[names]) if seeds.any() else None
        columns, part = X[:, tested[names]], _sub_basis(basis, names)
        level = alpha * len(names) / len(tested)  # those that were screened out count among the tests
        sub, evidence, best, labels, normal = _judge(columns, part, level, normality_level, given)
        kinds[tested[names]] = sub
        found.normality = np.full(n_features, np.nan)
        found.normality[tested[names]] = normal
        log_p[tested[names]] = evidence
        partner[tested[names]] = np.where(best >= 0, tested[names][best], -1)
        blocks[tested[names]] = n_features + labels
    found.blocks = np.unique(blocks, return_inverse=True)[1].astype(np.int64)
    silent = tested[~basis.active[0]]
    kinds[silent] = "untested"  # they vary in the table, but not in the rows drawn
    found.support = np.isin(kinds, ("relevant", "untested"))
    if not (kinds == "relevant").any():
        untouched = ~np.isin(kinds, ("constant", "duplicate"))
        found.keep(
            untouched if untouched.any() else np.ones(n_features, dtype=bool),
            "no feature depends on another one: without evidence everything that varies stays",
        )
    elif guard is not None:
        _ask_guard(found, guard, X, basis, tested, alpha, normality_level, rng)
    _name_harmful(found, X)
    if counted:
        judge_counts(found, whole, constant, alpha, duplicates, rng)
    return found


def judge_counts(
    found: Decision, whole: Any, constant: Mask, alpha: float, copies: bool, rng: np.random.Generator
) -> None:
    """Correct a decision on sparse counts `whole` (n_all_rows, n_features), `constant` (n_features,) of which stay.

    Rare columns come back: what is independent of all others is noise where it fills the rows, but where it is rare
    it is evidence by itself. Interchangeable values go. Of near copies half of every group goes, so that the groups
    keep their share of the columns; should the top of the ranking change by that, they come back.
    """
    share = np.asarray((whole != 0).sum(axis=0)).ravel() / whole.shape[0]
    rare = ~constant & (np.minimum(share, 1.0 - share) < _RARE) & ~found.support
    found.kinds[rare] = "rare"
    found.support = found.support | rare
    roles = column_roles(whole, alpha, rng)
    values = (roles.place >= 0) & ~constant
    found.kinds[values], found.partner[values] = "interchangeable", roles.place[values]
    found.support = found.support & ~values
    gone = thinned_copies(roles, found.support) if copies else np.zeros(len(values), dtype=bool)
    weight = found.support.astype(np.float64)
    before, after = state_surprise(whole, weight), state_surprise(whole, weight * ~gone)
    agreement = top_agreement(before, after)
    found.figures["top_agreement"] = round(agreement, 4)
    found.kinds[gone], found.partner[gone] = "template copy", roles.original[gone]
    found.support = found.support & ~gone
    if agreement < LEAST_TOP_AGREEMENT:
        found.keep(
            gone,
            f"guard top: without {int(gone.sum())} copies the most abnormal rows are found with an average precision "
            f"of {agreement:.2f} only, {LEAST_TOP_AGREEMENT} is asked for; the copies came back",
        )


def _ask_guard(
    found: Decision,
    guard: Any,
    X: Floats,
    basis: RankBasis,
    tested: NDArray[np.intp],
    alpha: float,
    normality_level: float | None,
    rng: np.random.Generator,
) -> None:
    """Let the guard give features of `tested` (n_tested,) back."""

    def judge(rows: NDArray[np.intp]) -> Mask:
        half = X[np.ix_(rows, tested)]
        return np.asarray(_judge(half, rank_basis(half), alpha, normality_level)[0] == "relevant")

    verdict = guard.review(basis, found.support[tested], found.log_p[tested], judge, rng)
    found.figures["agreement_with_unpruned"] = round(float(verdict.agreement), 4)
    returned = np.zeros(len(found.support), dtype=bool)
    returned[tested] = verdict.returned
    if returned.any():
        found.support = found.support | returned
        found.returned = returned
    found.sentences.extend(verdict.sentences)


def _overall(basis: RankBasis) -> Floats:
    """Log p (n_features,) of every feature against all others at once, where pairs are too many; 0 elsewhere.

    With more functions than rows, the correction for the number of pairs hides what many weak pairs show together.
    Functions that live on few rows take no part: the gamma law is too light for sums of their correlations.
    """
    dense = basis.active & (basis.kurtosis <= KURTOSIS_LIMIT)
    if dense.sum() <= basis.n_rows:
        return np.zeros(basis.n_features)
    part = RankBasis(basis.functions * dense[:, :, None], basis.kurtosis * dense, basis.skewness, dense)
    return joint_log_p(part, np.ones(basis.n_features, dtype=bool))


def _sub_basis(basis: RankBasis, names: NDArray[np.intp]) -> RankBasis:
    """The functions of some features."""
    if len(names) == basis.n_features:
        return basis
    parts = (basis.functions[:, names], basis.kurtosis[:, names], basis.skewness[:, names], basis.active[:, names])
    return RankBasis(*parts)


def _judge(
    X: Floats,
    basis: RankBasis,
    alpha: float,
    normality_level: float | None,
    overall: tuple[Floats, Mask] | None = None,
) -> tuple[NDArray[Any], Floats, Numbers, Numbers, Floats]:
    """Kind, evidence, strongest partner, block, normality, each (n_features,), of columns `X` (n_rows, n_features).

    `overall` holds log p of every feature against all others of a larger table, and the discoveries among them.
    """
    n_features = X.shape[1]
    first = pair_evidence(basis, edge_log_p=math.log(_EDGE_LEVEL / max(0.5 * n_features * (n_features - 1), 1.0)))
    log_p, partner = first.log_p, first.partner.copy()
    if overall is None:
        core = discoveries(log_p, alpha)
    else:  # two looks at every feature
        core = discoveries(log_p + math.log(2.0), alpha) | overall[1]
        log_p = np.minimum(np.minimum(log_p, overall[0]) + math.log(2.0), 0.0)
    for _ in range(_GROWTH_ROUNDS if core.any() else 0):
        again = pair_evidence(basis, core)
        grown = np.minimum(np.minimum(again.log_p, joint_log_p(basis, core)) + math.log(2.0), 0.0)
        closer = (grown < log_p) & ~core & (again.partner >= 0)
        partner[closer] = again.partner[closer]
        log_p = np.where(core, np.minimum(log_p, grown), grown)
        more = core | discoveries(log_p, alpha)
        if (more == core).all():
            break
        core = more
    kinds = np.where(core, "relevant", "independent noise").astype(object)
    blocks = dependence_blocks(first.edges, n_features)
    if normality_level is not None and core.any():
        few = X[:: max(1, len(X) // _NORMALITY_ROWS)][:_NORMALITY_ROWS]
        normality = _normal_blocks(few, core, blocks, partner, math.log(normality_level))
        kinds[~np.isnan(normality)] = "irrelevant block"
    else:
        normality = np.full(n_features, np.nan)
    return kinds, log_p, partner, blocks, normality


def _normal_blocks(X: Floats, core: Mask, blocks: Numbers, partner: Numbers, level: float) -> Floats:
    """Log p of joint normality (n_features,) of the blocks in `core` that are consistent with it; NaN elsewhere.

    Writes into `blocks`: a feature that is alone in its block, and normal by itself, joins that of its partner. (A
    column that is not normal by itself cannot share the fate of a normal block.)
    """
    size = np.bincount(blocks)
    for feature in np.flatnonzero(core & (size[blocks] == 1)):
        if normality_log_p(X[:, [feature]]) > level:
            blocks[feature] = blocks[partner[feature]]
    judged = {block: normality_log_p(X[:, core & (blocks == block)]) for block in np.unique(blocks[core])}
    normal = core & np.isin(blocks, [block for block, log_p in judged.items() if log_p > level])
    remaining = int(core.sum()) - int(normal.sum())
    if remaining < _LEAST_REMAINING * core.sum():  # a chance pair of noise must not outweigh the table's subject
        return np.full(len(core), np.nan)
    return np.array([judged[block] if goes else np.nan for block, goes in zip(blocks, normal, strict=True)])


def _name_harmful(found: Decision, X: Floats) -> None:
    """Call removed independent features "harmful" whose extremes lie far out of their own middle half."""
    which = np.flatnonzero((found.kinds == "independent noise") & ~found.support)
    if not len(which):
        return
    columns = X[:, which] / reach(X[:, which])
    low, middle, high = quartiles(columns)
    scale = (high - low) / 1.349
    farthest = np.nanmax(np.abs(columns - middle), axis=0)
    found.kinds[which[(scale > 0) & (farthest > _HARMFUL * scale)]] = "harmful"
