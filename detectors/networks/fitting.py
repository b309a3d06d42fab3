"""Fitting an autoencoder: standardise, train beside a linear twin, prune under a guard, report.

Invariant: a trained network that is not better than its linear start on held-out blocks of rows is not used; the
twin, which is smaller than any of its pruned forms, scores instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.networks.compiled import CLIP, Reconstruction, grown, reading
from detectors.networks.connections import prune_connections
from detectors.networks.layers import Network
from detectors.networks.linear_twin import Split, beats, components, embedded, linear_part, twin_network
from detectors.networks.made_up import made_up
from detectors.networks.shrinking import Judge, Shrunk, shrink, unit_records
from detectors.networks.training import train
from detectors.rank_correlation import rank_correlation
from detectors.report import PruningReport

__all__ = ["Fit", "Settings", "fit_network", "judged_pair", "pruned_fit", "standardisation", "trained_from"]

Floats = NDArray[np.float64]

_GAIN = 0.5  # standard deviation of a principal component in its unit, where training starts
_WIDEST, _NARROWEST, _MOST_WEIGHTS = 512, 32, 100_000
_GROWN = (16, 32, 64, 128, 256)  # widths that "grow" tries
_WORK = 4e10  # parameters times rows times epochs that an automatic number of epochs costs at most
_EPOCHS = 100
_SOLVING, _PRICING, _JUDGING = 6000, 1000, 2000  # rows, and as many made-up ones


@dataclass(frozen=True)
class Settings:
    """The parameters of `PrunedAutoencoder` that its network depends on."""

    hidden: Any
    activation: str
    decay: float
    rate: float
    max_iter: Any
    patience: int
    variance: float
    fidelity: float
    prune: bool
    connections: bool


@dataclass
class Fit:
    """What fitting gives: the network that scores, the whole one, and the report."""

    model: Reconstruction
    whole: Network
    report: PruningReport
    calibration: Floats = field(repr=False)  # held-out rows (n_rows, n_features), standardised


def standardisation(X: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n_features,) of a table; 1 for a column that does not vary."""
    size = np.maximum(np.abs(X).max(axis=0), np.finfo(np.float64).tiny)
    centre = (X / size).mean(axis=0) * size
    unit = (X / size - centre / size).std(axis=0) * size
    return centre, np.where(unit > 1e-12 * size, unit, 1.0)


def scores_of(network: Network, z: Floats, clip: float) -> Floats:
    """Scores (n_rows,) of standardised rows, lower = more abnormal; for judging, not bit by bit the kernel's."""
    off = grown(z, clip) - network.outputs(np.clip(z, -clip, clip))
    return np.asarray(-np.square(off).mean(axis=1))


def fit_network(X: Floats, names: list[str], settings: Settings, rng: np.random.RandomState) -> Fit:
    """Train, compare with the linear twin, prune.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    names : list of str
        Of the features.
    settings : Settings
    rng : RandomState
    """
    centre, unit = standardisation(X)
    z = (X - centre) / unit
    rows = np.clip(z, -CLIP, CLIP)
    split = Split.of(len(X), rng)
    trained = rows[split.train]
    fixed = None if isinstance(settings.hidden, str) else tuple(int(n) for n in np.atleast_1d(settings.hidden))
    axes = components(trained - trained.mean(axis=0), settings.variance, _NARROWEST if fixed is None else min(fixed))
    twin = twin_network(axes)
    figures: dict[str, Any] = {"code_size": int(axes.shape[1]), "rows_trained": len(split.train)}
    whole, better = twin, False
    if axes.shape[1]:
        widths = fixed or _widths(axes)
        if settings.hidden == "grow":
            widths, figures["width_agreement"] = _grown_widths(axes, rows, split, settings, rng)
        start = embedded(axes, trained, widths, settings.activation, _GAIN, rng)
        whole, epochs = trained_from(start, rows, split, settings, rng)
        better, loss, twin_loss, p_value = beats(whole, twin, rows[split.held], split.blocks)
        figures |= {"epochs": epochs, "loss": loss, "loss_of_twin": twin_loss, "p_value": p_value}
        if not better:
            whole = linear_part(axes, trained, whole, rng)
    whole = whole.stored()
    inputs = np.arange(X.shape[1])
    model = Reconstruction(whole, inputs, centre, unit, CLIP)
    figures["linear_suffices"] = not better
    calibration = np.ascontiguousarray(z[split.held][:_PRICING])
    guards = [] if better else ["linear suffices: held-out rows show no gain of the network over principal components"]
    if not settings.prune:
        figures |= {"parameters_before": whole.n_parameters, "parameters_after": whole.n_parameters}
        records = unit_records(whole, None, names, "not pruned: prune=False", math.nan)
        records = [type(r)(r.item, r.kind, True, "not pruned: prune=False") for r in records]
        return Fit(model, whole, PruningReport(records, "network", guards, figures), calibration)
    if better:
        return pruned_fit(model, z, split, names, settings, rng, figures, guards)
    judge = judged_pair(whole, z, split, CLIP, rng)
    figures |= {
        "parameters_before": whole.n_parameters, "parameters_after": twin.n_parameters,
        "fidelity_required": settings.fidelity, "fidelity_held_out": judge.fidelity(twin.stored()),
    }  # fmt: skip
    records = unit_records(whole, None, names, "the linear twin scores", math.nan)
    report = PruningReport(records, "network", guards, figures)
    return Fit(model.with_network(twin, inputs), whole, report, calibration)


def judged_pair(whole: Network, z: Floats, split: Split, clip: float, rng: np.random.RandomState) -> Judge:
    """The judge of fidelity, on rows held out and on made-up ones."""
    real = z[split.judge]
    if len(real) > _JUDGING:
        real = real[:: -(-len(real) // _JUDGING)]
    repeats = max(1, 200 // len(real))
    return Judge(
        lambda network, rows: scores_of(network, rows, clip), real, made_up(np.tile(real, (repeats, 1)), rng), whole
    )


def pruned_fit(
    model: Reconstruction, z: Floats, split: Split, names: list[str], settings: Settings, rng: np.random.RandomState,
    figures: dict[str, Any], guards: list[str],
) -> Fit:  # fmt: skip
    """Prune the network of `model`, which reads all features, under the guard of its ranks."""
    whole, clip = model.network, model.clip
    judge = judged_pair(whole, z, split, clip, rng)
    rows, held = (
        _with_made_up(z[part], most, clip, rng) for part, most in ((split.train, _SOLVING), (split.stop, _PRICING))
    )
    loss = float(np.square(whole.outputs(held) - held).mean(axis=0).sum())
    shrunk: Shrunk = shrink(whole, rows, held, judge, settings.fidelity, rng)
    network = shrunk.network.stored()
    if judge.fidelity(network) < settings.fidelity and shrunk.removed:
        network = whole
        shrunk = Shrunk(whole, (), tuple(np.arange(n) for n in whole.widths[:-1]), 1.0, 0)
    records = unit_records(whole, shrunk, names, "no price", loss)
    if not shrunk.removed:
        guards = [*guards, f"no smaller network ranks held-out rows with a correlation of {settings.fidelity:g}"]
    if settings.connections:
        network, connection_records, cut = prune_connections(network, rows, judge, settings.fidelity)
        records += connection_records
        figures = figures | {"connections_cut": cut}
    small, inputs = reading(network, np.arange(z.shape[1]))
    figures = figures | {
        "parameters_before": whole.n_parameters, "parameters_after": small.n_parameters,
        "fidelity_required": settings.fidelity, "fidelity_held_out": judge.fidelity(network), "rounds": shrunk.rounds,
    }  # fmt: skip
    report = PruningReport(records, "network", guards, figures)
    return Fit(model.with_network(small, inputs), whole, report, np.ascontiguousarray(z[split.held][:_PRICING]))


def _with_made_up(z: Floats, most: int, clip: float, rng: np.random.RandomState) -> Floats:
    """At most `most` rows and as many made-up ones, cut at `clip`."""
    rows = z[rng.permutation(len(z))[:most]]
    return np.clip(np.vstack([rows, made_up(rows, rng)]), -clip, clip)


def _widths(axes: Floats) -> tuple[int, int, int]:
    """Two wide hidden layers, and one between them for the code; windows of many values get narrower ones."""
    wide = int(np.clip(_MOST_WEIGHTS // (2 * sum(axes.shape)), _NARROWEST, _WIDEST))
    return (wide, axes.shape[1], wide)


def trained_from(
    start: Network, rows: Floats, split: Split, settings: Settings, rng: np.random.RandomState
) -> tuple[Network, int]:
    """Train from `start`; the network in double precision, and the epochs it took."""
    seen, stop = (rows[part].astype(np.float32) for part in (split.train, split.stop))
    epochs = settings.max_iter
    if epochs == "auto":
        epochs = int(np.clip(_WORK / (start.n_parameters * len(seen)), 1, _EPOCHS))
    found = train(
        start, seen, seen, stop, stop, decay=settings.decay, learning_rate=settings.rate, max_epochs=int(epochs),
        patience=settings.patience, rng=rng,
    )  # fmt: skip
    return found.network.astype(np.float64), len(found.losses) - 1


def _grown_widths(
    axes: Floats, rows: Floats, split: Split, settings: Settings, rng: np.random.RandomState
) -> tuple[tuple[int, ...], float]:
    """The smallest of the growing widths at which networks of two seeds rank held-out rows alike."""
    agreement, widths = 0.0, (0, 0, 0)
    for wide in _GROWN:
        widths = (max(wide, axes.shape[1]), axes.shape[1], max(wide, axes.shape[1]))
        pair = []
        for _ in range(2):
            start = embedded(axes, rows[split.train], widths, settings.activation, _GAIN, rng)
            network, _epochs = trained_from(start, rows, split, settings, rng)
            pair.append(scores_of(network, rows[split.judge], CLIP))
        agreement = rank_correlation(*pair)
        if agreement >= settings.fidelity:
            break
    return widths, agreement
