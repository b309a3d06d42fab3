"""Autoencoders made from other networks: given weights, a larger teacher, a sibling's model.

Invariant: each is judged on rows that nothing was fitted to, as a network that was trained here is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from detectors.exceptions import GuardError, InvalidParameterError
from detectors.features.reports import mask_report
from detectors.networks.adapters import foreign_layers
from detectors.networks.compiled import Reconstruction, reading
from detectors.networks.fitting import Fit, judged_pair, pruned_fit, standardisation, trained_from
from detectors.networks.layers import Layer, Network
from detectors.networks.linear_twin import Split, beats, components, twin_network
from detectors.networks.made_up import made_up
from detectors.networks.shrinking import Shrunk, tuned
from detectors.networks.training import one_at_a_time
from detectors.networks.units import Sieve
from detectors.report import PruningReport
from detectors.tables import usual_row

__all__ = ["distilled", "from_network", "transferred"]

Floats = NDArray[np.float64]

_EPOCHS = 60  # of a student
_ROWS = 8000  # that a student sees, and as many made-up ones


def from_network(detector: Any, layers: Any, X: Any, centre: Any, unit: Any) -> Any:
    """Fit an unfitted `PrunedAutoencoder` by taking over the layers of a network; see `from_layers`."""
    table = detector._read(X, reset=True)
    n_features = table.shape[1]
    network = Network.of(foreign_layers(layers))
    if network.widths[0] != n_features or network.widths[-1] != n_features:
        raise InvalidParameterError(
            f"an autoencoder for X must read and give {n_features} values, got a network of {network.widths[0]} inputs "
            f"and {network.widths[-1]} outputs; pass the whole chain of layers, encoder and decoder."
        )
    middle = np.zeros(n_features) if centre is None else np.asarray(centre, dtype=np.float64)
    spread = np.ones(n_features) if unit is None else np.asarray(unit, dtype=np.float64)
    if middle.shape != (n_features,) or spread.shape != (n_features,) or not (spread > 0).all():
        raise InvalidParameterError(
            f"centre and unit must hold {n_features} numbers, unit positive ones, got shapes {middle.shape} and "
            f"{spread.shape}."
        )
    model = Reconstruction(network.stored(), np.arange(n_features), middle, spread, np.inf)
    z = (table - middle) / spread
    rng = check_random_state(detector.random_state)
    split = Split.of(len(z), rng)
    names = [str(name) for name in detector._names()]
    if detector.prune:
        with one_at_a_time():
            fitted = pruned_fit(model, z, split, names, detector._settings(), rng, {}, [])
    else:
        n = network.n_parameters
        report = PruningReport([], "network", (), {"parameters_before": n, "parameters_after": n})
        fitted = Fit(model, network, report, z[split.held][:1000])
    return _finished(detector, table, np.ones(n_features, dtype=bool), fitted)


def transferred(source: Any, X: Any) -> Any:
    """A model for a sibling of what `source` was fitted on; see `PrunedAutoencoder.transfer`."""
    sibling = clone(source)
    table = sibling._read(X, reset=True)
    if table.shape[1] != source.n_features_in_:
        raise InvalidParameterError(
            f"X must have the {source.n_features_in_} features of the source, got {table.shape[1]}."
        )
    support = source.support_.copy()
    kept = np.ascontiguousarray(table[:, support])
    settings = sibling._settings()
    rng = check_random_state(sibling.random_state)
    names = [str(name) for name in sibling._names()[support]]
    with one_at_a_time():
        centre, unit = standardisation(kept)
        z = (kept - centre) / unit
        clip = source.model_.clip
        rows = np.clip(z, -clip, clip)
        split = Split.of(len(z), rng)
        start = _with_all_inputs(source.model_, kept.shape[1])
        network, epochs = trained_from(start, rows, split, settings, rng)
        before, after = (
            float(np.square(n.outputs(rows[split.held]) - rows[split.held]).mean()) for n in (start, network)
        )
        axes = components(rows[split.train] - rows[split.train].mean(axis=0), settings.variance, min(start.widths))
        better, _, twin_loss, p_value = beats(network, twin_network(axes), rows[split.held], split.blocks)
        figures = {
            "loss_before": before, "loss": after, "loss_of_twin": twin_loss, "p_value": p_value, "epochs": epochs,
            "parameters_of_source": source.n_parameters_, "linear_suffices": not better,
        }  # fmt: skip
        guards = [] if better else ["linear suffices: held-out rows of the sibling show no gain over its components"]
        if not better:
            network = twin_network(axes)
        model = Reconstruction(network.stored(), np.arange(kept.shape[1]), centre, unit, clip)
        fitted = pruned_fit(model, z, split, names, settings, rng, figures, guards)
    pruner = sibling._make_pruner()
    changed = [] if pruner is None else _changed_features(pruner.fit(table).get_support(), support, sibling._names())
    return _finished(sibling, table, support, fitted, changed)


def distilled(teacher: Any, X: Any, width: float) -> Any:
    """A narrower student of a fitted autoencoder; see `PrunedAutoencoder.distill`."""
    student = clone(teacher)
    table = student._read(X, reset=True)
    kept = np.ascontiguousarray(teacher._kept(teacher._read(X, reset=False)))
    m: Reconstruction = teacher.model_
    whole = _with_all_inputs(m, kept.shape[1])
    rng = check_random_state(student.random_state)
    with one_at_a_time():
        z = (kept - m.centre) / m.unit
        split = Split.of(len(z), rng)
        rows, stop = (
            np.clip(np.vstack([part, made_up(part, rng)]), -m.clip, m.clip)
            for part in (z[split.train][rng.permutation(len(split.train))[:_ROWS]], z[split.stop][:_ROWS])
        )
        judge = judged_pair(whole, z, split, m.clip, rng)
        sieve = Sieve(whole, rows, stop, rng)
        most = width * sieve.n_units()
        while sieve.n_units() > most and sieve.round():
            pass
        step = Shrunk(sieve.inputs(), tuple(sieve.removed), tuple(sieve.kept), judge.fidelity(sieve.inputs()), 0)
        step = tuned(step, whole, rows, stop, judge, rng, _EPOCHS)
        network, inputs = reading(step.network.stored(), np.arange(kept.shape[1]))
        fidelity = judge.fidelity(step.network.stored())
    if fidelity < teacher.fidelity:
        raise GuardError(
            f"the student must rank held-out rows with Spearman correlation {teacher.fidelity:g}, it reaches "
            f"{fidelity:.4f}; give it more width than {width:g}, or fit with a lower fidelity."
        )
    figures = {
        "parameters_before": teacher.n_parameters_, "parameters_after": network.n_parameters,
        "fidelity_required": float(teacher.fidelity), "fidelity_held_out": fidelity,
    }  # fmt: skip
    report = PruningReport([], "network", (), figures)
    fitted = Fit(m.with_network(network, inputs), whole, report, z[split.held][:1000])
    return _finished(student, table, teacher.support_.copy(), fitted)


def _with_all_inputs(model: Reconstruction, n_features: int) -> Network:
    """The network with weights of zero for features that it does not read."""
    first = model.network.layers[0]
    weights = np.zeros((n_features, first.weights.shape[1]))
    weights[model.inputs] = first.weights
    return model.network.with_layer(0, Layer(weights, first.bias, first.activation))


def _changed_features(found: Any, support: Any, names: Any) -> list[str]:
    """Sentences on features that the sibling's own rows would have pruned or kept."""
    wanted, unwanted = names[found & ~support], names[support & ~found]
    return [
        f"{text}: {', '.join(map(str, some))}"
        for text, some in (("pruned as in the source, relevant here", wanted), ("kept as in the source", unwanted))
        if len(some)
    ]


def _finished(detector: Any, table: Floats, support: Any, fitted: Fit, changed: list[str] | None = None) -> Any:
    """Set the fitted attributes of a detector."""
    detector.pruner_ = None
    detector.head_ = None  # nobody asked for one: layers, students and siblings come without labels
    detector.support_ = support
    report = mask_report(list(detector._names()), support, None if support.all() else "the source of the transfer")
    detector.report_ = PruningReport(report.records, report.subject, [*report.guards, *(changed or [])], report.figures)
    kept = detector._kept(table)
    detector._reference_ = usual_row(kept)
    detector.model_report_ = fitted.report
    detector._calibration = fitted.calibration
    detector._install(fitted.model)
    detector.offset_ = detector._offset(kept)
    return detector
