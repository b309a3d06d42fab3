"""What a detector does with a fitted network: scores, explanations, labels, files, exports.

Invariant: a loaded detector scores bit by bit as the saved one. Lower score = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from detectors.exceptions import InvalidParameterError
from detectors.networks.compiled import Reconstruction
from detectors.networks.layers import Layer, Network
from detectors.networks.made_up import made_up
from detectors.wrappers.compiled import CompiledDetector

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["ReconstructingDetector"]

Floats = NDArray[np.float64]

_ALARMS = 0.01  # share of the fitted rows below the automatic threshold
_INT8_FIDELITY = 0.995  # Spearman correlation of int8 scores with float ones


class ReconstructingDetector(CompiledDetector):
    """The fitted half of `PrunedAutoencoder`; not for use by itself."""

    model_: Reconstruction
    _calibration: Floats

    @property
    def n_parameters_(self) -> int:
        """Weights and biases of the network that scores."""
        return self.model_.n_parameters

    def to_onnx(
        self, path: Any = None, *, kept_only: bool = False, int8: bool = False, calibration: Any = None
    ) -> bytes:
        """Export selector, scores and labels as one ONNX graph; needs the extra ``onnx``.

        Parameters
        ----------
        path : path-like, optional
            File to write the model to; an old one is replaced in one step.
        kept_only : bool, default=False
            True: the graph takes the kept features alone, in their order; not with `int8`.
        int8 : bool, default=False
            True stores weights in 8 bits and multiplies in 8 bits (static quantisation by onnxruntime), if the scores
            then rank calibration rows as before.
        calibration : array-like of shape (n_rows, n_features), optional
            Ordinary rows that the ranges of the activations are taken from; held-out rows of `fit` if left out. A
            loaded detector has none and needs them.

        Returns
        -------
        bytes
            Input ``X``: double (n_rows, n_features), all features; outputs ``scores``: double (n_rows,), ``labels``:
            int64 (n_rows,), -1 outlier, +1 inlier.

        Raises
        ------
        ImportError
            Without the packages `onnx` and, for int8, `onnxruntime`.
        InvalidParameterError
            If int8 has no rows to calibrate with, or is asked for together with `kept_only`.
        GuardError
            If int8 changes the ranks: Spearman correlation below 0.995.
        UnwritablePathError
            If there is a folder or a device at `path`, or no folder for it.
        """
        if not int8:
            return super().to_onnx(path, kept_only=kept_only)
        if kept_only:
            raise InvalidParameterError("kept_only must be False with int8=True, got True; export one of the two.")
        check_is_fitted(self)
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise ImportError("int8 needs onnx and onnxruntime: `pip install 'tsprune[onnx]'`.") from error
        from detectors.networks.quantization import export_int8

        return export_int8(self, self._calibration_tables(calibration), _INT8_FIDELITY, path)

    def to_layers(self) -> list[tuple[Floats, Floats, str]]:
        """Give the pruned network as arrays, for other frameworks.

        Returns
        -------
        list of (weights, bias, activation)
            Weights have shape (n_inputs, n_units); `torch.nn.Linear` wants them transposed. The network reads the
            features `model_.inputs` of the kept ones, standardised by `model_.centre` and `model_.unit` and cut at
            `model_.clip`, and gives all kept features in those units.
        """
        return [(la.weights.copy(), la.bias.copy(), la.activation) for la in self.model_.network.layers]

    def _calibration_tables(self, calibration: Any) -> tuple[Any, Any]:
        """Rows (n_rows, n_features) to calibrate with, those given or held-out ones of `fit`; made-up ones beside."""
        m = self.model_
        if calibration is not None:
            z = (self._kept(self._read(calibration, reset=False)) - m.centre) / m.unit
        elif hasattr(self, "_calibration"):
            z = self._calibration
        else:
            raise InvalidParameterError(
                "calibration must be given for a detector that was loaded, got None: the file holds no rows; pass a "
                "few hundred ordinary ones."
            )
        tables = []
        for rows in (z, made_up(z, np.random.RandomState(0))):
            tables.append(np.zeros((len(rows), self.n_features_in_)))
            tables[-1][:, self.support_] = rows * m.unit + m.centre
        return tables[0], tables[1]

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        from detectors.networks.onnx_graph import reconstruction_scores

        return reconstruction_scores(graph, self.model_, rows)

    def _install(self, model: Reconstruction) -> None:
        """Take over a network on the kept features."""
        self.model_ = model
        self._columns = np.flatnonzero(self.support_).astype(np.int64)
        self._every = np.arange(len(self._columns), dtype=np.int64)

    def _score_table(self, X: Floats) -> Floats:
        return -self.model_.errors(X, self._columns)

    def _score_kept(self, X: Any) -> Floats:
        return -self.model_.errors(np.ascontiguousarray(X), self._every)

    def _explain_kept(self, X: Any) -> Floats:
        rows = np.ascontiguousarray(X)
        parts = np.empty(rows.shape)
        self.model_.errors(rows, self._every, parts)
        return parts

    def _offset(self, kept: Any) -> float:
        share = _ALARMS if self.contamination == "auto" else float(self.contamination)
        return float(np.percentile(self._training_scores(kept), 100.0 * share))

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        m = self.model_
        manifest: dict[str, Any] = {
            "activations": [layer.activation for layer in m.network.layers],
            "clip": _stored_clip(m.clip),
        }
        arrays: dict[str, NDArray[Any]] = {"inputs": m.inputs.astype(np.int32), "centre": m.centre, "unit": m.unit}
        for place, layer in enumerate(m.network.layers):
            arrays |= {
                f"weights{place}": layer.weights.astype(np.float32),
                f"bias{place}": layer.bias.astype(np.float32),
            }
        return manifest, arrays

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        n_kept = int(self.support_.sum())
        network = Network.of(
            Layer.of((arrays[f"weights{place}"].astype(np.float64), arrays[f"bias{place}"].astype(np.float64), name))
            for place, name in enumerate(manifest["activations"])
        )
        inputs, centre, unit = arrays["inputs"].astype(np.int64), arrays["centre"], arrays["unit"]
        if network.widths[0] != len(inputs) or network.widths[-1] != n_kept:
            raise ValueError(f"a network of widths {network.widths} does not fit {n_kept} features")
        if inputs.min(initial=0) < 0 or inputs.max(initial=0) >= n_kept:  # the kernel would read behind the row
            raise ValueError(f"an input of the network is feature {inputs.max()} of {n_kept}")
        if centre.shape != (n_kept,) or unit.shape != (n_kept,) or not (unit > 0).all():
            raise ValueError(f"a standardisation of shapes {centre.shape} and {unit.shape} does not fit")
        clip = np.inf if manifest["clip"] is None else float(manifest["clip"])
        if not clip > 0:
            raise ValueError(f"inputs cannot be cut at {clip}")
        self._install(Reconstruction(network, inputs, centre, unit, clip))


def _stored_clip(clip: float) -> float | None:
    """The cut of the inputs as JSON holds it."""
    return float(clip) if np.isfinite(clip) else None
