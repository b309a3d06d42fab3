"""An int8 file: onnxruntime's static quantisation of the pruned network, under the guard of its ranks.

Invariant: the file is written only if its scores rank calibration rows as the float network does. Weights always take
8 bits, or twice 8 where one is not enough. Activations take 8 bits where that keeps the ranks: errors that are small
beside what 8 bits can tell need float ones.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.exceptions import GuardError
from detectors.networks.compiled import Reconstruction
from detectors.networks.layers import Network
from detectors.networks.onnx_graph import reconstruction_scores
from detectors.networks.rounding import rounded
from detectors.rank_correlation import rank_correlation
from detectors.storage.atomic_file import replace_file
from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["export_int8"]

Floats = NDArray[np.float64]

_OPSET, _IR = 17, 8
# 8 bits for activations too, one scale per unit, layers whose weights are sums of two 8-bit numbers
_WAYS = ((True, False, 0), (True, True, 0), (False, False, 0), (False, True, 0), (False, False, 1), (False, True, 99))
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWYZ"
_OUTSIDE = {"X", "scores", "labels", ""}


def export_int8(detector: Any, tables: tuple[Floats, Floats], fidelity: float, path: Any = None) -> bytes:
    """Quantise the weights of all matrix products to 8 bits, and what goes into them, if the ranks allow it.

    Parameters
    ----------
    detector : PrunedAutoencoder
        Fitted.
    tables : pair of ndarray of shape (n_rows, n_features)
        Calibration rows, and made-up ones, with all columns.
    fidelity : float
        Least Spearman correlation with the float scores, in either table.
    path : path-like, optional

    Returns
    -------
    bytes

    Raises
    ------
    GuardError
        If not even float activations and weights that are sums of two 8-bit numbers keep the ranks.
    """
    z = [(detector._kept(table) - detector.model_.centre) / detector.model_.unit for table in tables]
    rows = np.clip(np.vstack(z), -detector.model_.clip, detector.model_.clip)[:, detector.model_.inputs]
    expected = [detector._score_table(table) for table in tables]
    reached = []
    for static, per_unit, n_fine in _WAYS:
        network, scales = rounded(detector.model_.network, rows, per_unit, n_fine)
        if static:
            plain = _quantised(_float_model(detector, network, None), np.vstack(tables), per_unit, scales)
        else:
            plain = _float_model(detector, network, scales)
        stored = _compact(plain)
        pairs = zip(tables, expected, strict=True)
        reached.append(min(rank_correlation(_scores(stored, table), scores) for table, scores in pairs))
        if reached[-1] >= fidelity:
            if path is not None:
                replace_file(path, stored)
            return stored
    raise GuardError(
        f"scores in int8 must rank calibration rows with Spearman correlation {fidelity:g}, they reach "
        f"{max(reached):.4f}; export with int8=False, or accept a lower fidelity."
    )


def _float_model(detector: Any, network: Network, scales: list[Floats] | None) -> Any:
    """The graph in single precision, with double inputs and outputs."""
    from onnx import TensorProto, helper

    graph = OnnxGraph()
    rows = "X"
    if not detector.support_.all():
        kept = np.flatnonzero(detector.support_)
        rows = graph.add("Gather", [rows, graph.constant(kept.astype(np.int64))], axis=1)
    m: Reconstruction = detector.model_
    model = Reconstruction(network, m.inputs, m.centre, m.unit, m.clip)
    rows = graph.add("Cast", [rows], to=TensorProto.FLOAT)
    graph.add("Cast", [reconstruction_scores(graph, model, rows, np.float32, scales)], to=TensorProto.DOUBLE)
    graph.nodes[-1].output[0] = "scores"
    outlier = graph.add("Less", ["scores", graph.constant(np.array(detector.offset_, dtype=np.float64))])
    signs = [graph.constant(np.array(sign, dtype=np.int64)) for sign in (-1, 1)]
    graph.add("Where", [outlier, *signs], output="labels")
    body = helper.make_graph(
        graph.nodes, "g",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["n", int(detector.n_features_in_)])],
        [
            helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["n"]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["n"]),
        ],
        graph.constants,
    )  # fmt: skip
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


class _Rows:
    """Calibration rows as onnxruntime reads them."""

    def __init__(self, table: Floats) -> None:
        self._batches = iter([{"X": table}])

    def get_next(self) -> Any:
        """The next batch, None at the end."""
        return next(self._batches, None)


def _quantised(plain: Any, table: Floats, per_unit: bool, scales: list[Floats]) -> Any:
    """The model after static quantisation of its matrix products."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(_Rows, CalibrationDataReader):
        """Rows behind the interface that onnxruntime asks for."""

    products = [node.input[1] for node in plain.graph.node if node.op_type == "MatMul"]
    overrides = {}
    for name, scale in zip(products, scales, strict=True):
        axis = {"axis": 1} if per_unit else {}
        overrides[name] = [
            {"quant_type": QuantType.QInt8, "scale": np.float32(s), "zero_point": np.int8(0)} | axis for s in scale
        ]
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)  # onnxruntime advises steps that make no difference here
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            onnx.save(plain, str(source))
            quantize_static(
                str(source), str(target), Reader(table), quant_format=QuantFormat.QDQ, per_channel=per_unit,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
                extra_options={
                    "OpTypesToExcludeOutputQuantization": ["MatMul"], "TensorQuantOverrides": overrides
                },
            )  # fmt: skip
            return onnx.load(str(target))
    finally:
        logging.root.setLevel(before)


def _compact(model: Any) -> bytes:
    """Short names, no texts that nothing reads, equal constants once."""
    import onnx

    graph = model.graph
    names: dict[str, str] = {name: name for name in _OUTSIDE}
    seen: dict[bytes, str] = {}

    def short(name: str) -> str:
        if name not in names:
            number = len(names) - len(_OUTSIDE)
            high, low = divmod(number, len(_LETTERS))
            names[name] = (_LETTERS[high - 1] if high else "") + _LETTERS[low]
        return names[name]

    constants = []
    for constant in graph.initializer:
        own = constant.name
        constant.name = ""
        key = constant.SerializeToString()
        if key in seen:
            names[own] = seen[key]
            continue
        seen[key] = constant.name = short(own)
        constants.append(constant)
    for node in graph.node:
        inputs, outputs = [short(n) for n in node.input], [short(n) for n in node.output]
        del node.input[:], node.output[:]
        node.input.extend(inputs)
        node.output.extend(outputs)
        node.ClearField("name")
        node.ClearField("doc_string")
    kept = [onnx.TensorProto.FromString(c.SerializeToString()) for c in constants]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(kept)
    for field in ("producer_name", "producer_version", "doc_string", "metadata_props"):
        model.ClearField(field)
    used = {node.domain for node in graph.node}
    imports = [o for o in model.opset_import if o.domain in used]
    kept_imports = [onnx.helper.make_opsetid(o.domain, o.version) for o in imports]
    del model.opset_import[:]
    model.opset_import.extend(kept_imports)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _scores(stored: bytes, table: Floats) -> Floats:
    """Scores (n_rows,) by onnxruntime."""
    from onnxruntime import InferenceSession

    session = InferenceSession(stored, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["scores"], {"X": table})[0], dtype=np.float64)
