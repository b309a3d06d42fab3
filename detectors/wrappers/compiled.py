"""The base of the three detectors with a compiled score: the fast door, threads, save and load, export.

Law: the fast door answers exactly like the ordinary one; it only skips the questions whose answer is already known
for a C-contiguous float64 array of the right width. Lower score = more abnormal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numba
import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from detectors.exceptions import InvalidParameterError, StoredModelError
from detectors.features.pruner import FeaturePruner
from detectors.kernels.finite import all_finite
from detectors.report import PruningReport
from detectors.storage.archive import CONTRADICTIONS, plain_parameter, read_model, stored_columns, write_model
from detectors.wrappers.base import _PrunedOutlierDetector
from detectors.wrappers.head import KnownHead

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["ROWS_WORTH_THREADS", "CompiledDetector"]

Floats = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)
_MOST_THREADS = int(numba.get_num_threads())  # when numba was loaded: all it may use
ROWS_WORTH_THREADS = 256  # waking threads costs more than scoring fewer rows


class CompiledDetector(_PrunedOutlierDetector):
    """What `PrunedIsolationForest`, `PrunedLOF` and `PrunedOneClassSVM` share; not for use by itself.

    A subclass has the constructor parameters ``prune_features``, ``contamination``, ``n_jobs``, and these hooks
    beside those of its base:

    ``_score_table(X)``
        Scores (n_rows,) of a C-contiguous float64 table with all columns (n_rows, n_features_in_).
    ``_state()`` / ``_restore(manifest, arrays)``
        The model as JSON values and arrays, and back.
    """

    prune_features: Any
    n_jobs: Any
    model_report_: PruningReport

    def _score_table(self, X: Floats) -> Floats:
        """Scores (n_rows,) of a checked table with all columns."""
        raise NotImplementedError

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The fitted model as JSON values and arrays."""
        raise NotImplementedError

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Set the fitted attributes from what `_state` gave."""
        raise NotImplementedError

    def _make_pruner(self) -> Any:
        return FeaturePruner() if self.prune_features else None

    def _usable(self, X: Floats) -> bool:
        """True if no value of `X` (n_rows, n_features) needs the ordinary door."""
        return bool(all_finite(X))

    def score_samples(self, X: Any) -> Floats:
        """Score rows; lower = more abnormal.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            All features the detector was fitted with, in their order, or the kept ones alone: a frame that lacks
            pruned columns, an array with as many columns as are kept. A C-contiguous float64 array of all features is
            scored without a copy and without Python work per row.

        Returns
        -------
        ndarray of shape (n_rows,), in the units of the wrapped detector
        """
        fitted = self.__dict__  # a look at it is cheaper than `hasattr`
        if (
            type(X) is np.ndarray
            and X.dtype == _FLOAT64
            and X.ndim == 2
            and X.shape[1] == fitted.get("n_features_in_")
            and len(X) > 0
            and X.flags.c_contiguous
            and "feature_names_in_" not in fitted
            and "offset_" in fitted
            and fitted["head_"] is None
        ):
            scores = self._score_fast(X)
            if scores is not None:
                return scores
        return super().score_samples(X)

    def _score_fast(self, X: Floats) -> Floats | None:
        """Scores (n_rows,) of a C-contiguous float64 table with all columns; None if it needs the ordinary door."""
        return self._score_table(X) if self._usable(X) else None

    @contextmanager
    def _threads(self, n_rows: int) -> Iterator[bool]:
        """Lend as many of numba's threads as `n_jobs` asks for and `n_rows` are worth; True if more than one."""
        wanted = 1
        if self.n_jobs is not None and n_rows >= ROWS_WORTH_THREADS:
            wanted = min(effective_n_jobs(self.n_jobs), _MOST_THREADS)
        if wanted < 2:
            yield False
            return
        before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        try:
            yield True
        finally:
            numba.set_num_threads(before)

    def save(self, path: Any, *, include_report: bool = False) -> None:
        """Write the fitted detector to one file that holds what scoring needs.

        Parameters
        ----------
        path : path-like
            The file; an old one is replaced in one step.
        include_report : bool
            True stores every record of `report_` and `model_report_`; without it only their figures and guards.

        Raises
        ------
        StoredModelError
            If a parameter cannot be stored (a callable metric).
        NotFittedError
            If the detector is not fitted.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        manifest, arrays = self._state()
        names = getattr(self, "feature_names_in_", None)
        reports = {}
        for name in ("report_", "model_report_"):
            report: PruningReport = getattr(self, name)
            if not include_report:
                report = PruningReport([], report.subject, report.guards, report.figures)
            reports[name] = report.to_json()
        manifest |= {
            "parameters": {p: plain_parameter(p, getattr(self, p)) for p in self.get_params(deep=False)},
            "n_features": int(self.n_features_in_),
            "names": None if names is None else [str(n) for n in names],
            "reports": reports,
        }
        arrays |= {"support": np.packbits(self.support_), "offset": np.array([self.offset_])}
        arrays["reference"] = self._reference_
        if self.head_ is not None:
            arrays |= self.head_.state()
        write_model(path, type(self).__name__, manifest, arrays)

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read a detector that `save` wrote; runs no code from the file.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        detector
            Scores bit by bit as the saved one. It has no `detector_` (the wrapped scikit-learn object) and no
            `pruner_`: neither is needed for scores, labels and explanations. `random_state` comes back if it was
            an integer.

        Raises
        ------
        StoredModelError
            If the file is foreign, damaged, of another class or version.
        """
        manifest, arrays = read_model(path, cls.__name__)
        try:
            detector = cls(**manifest["parameters"])
            detector.n_features_in_, names = stored_columns(manifest)
            if names is not None:
                detector.feature_names_in_ = names
            detector.support_ = np.unpackbits(arrays["support"], count=detector.n_features_in_).astype(bool)
            detector.pruner_ = None
            detector._reference_ = arrays["reference"]
            if detector._reference_.shape != (detector.support_.sum(),):
                raise ValueError(f"a usual row of shape {detector._reference_.shape} does not fit")
            for name, text in manifest["reports"].items():
                setattr(detector, name, PruningReport.from_json(text))
            detector._restore(manifest, arrays)
            detector.head_ = KnownHead.from_state(arrays, int(detector.support_.sum()))
            detector.offset_ = float(arrays["offset"][0])
        except CONTRADICTIONS as error:
            raise StoredModelError(f"{path}: the stored {cls.__name__} lacks what it needs: {error!r}.") from error
        return detector

    def to_onnx(self, path: Any = None, *, kept_only: bool = False) -> bytes:
        """Export selector, scores and labels as one ONNX graph; needs the extra ``onnx``.

        Parameters
        ----------
        path : path-like, optional
            File to write the model to; an old one is replaced in one step.
        kept_only : bool, default=False
            True: the graph takes the kept features alone, in their order.

        Returns
        -------
        bytes
            The serialised model. Input ``X``: double (n_rows, n_features), all features or the kept ones; outputs
            ``scores``: double (n_rows,), ``labels``: int64 (n_rows,), -1 outlier, +1 inlier.

        Raises
        ------
        ImportError
            Without the package `onnx`.
        UnwritablePathError
            If there is a folder or a device at `path`, or no folder for it.
        InvalidParameterError
            If the detector has a supervised head.
        """
        from detectors.wrappers.onnx_export import export

        if getattr(self, "head_", None) is not None:
            raise InvalidParameterError(
                "to_onnx exports detectors without a supervised head, got one that labels or a reference gave a head; "
                "fit without `y` and `reference`, or `distill` it."
            )
        return export(self, self._onnx_scores, path, kept_only=kept_only)

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        """Add the nodes that score `rows` (n_rows, n_kept); return the name of the scores (n_rows,)."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
