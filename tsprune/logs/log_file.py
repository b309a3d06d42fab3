"""LogDetector in a file: JSON and arrays, nothing of which is ever executed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from detectors.exceptions import StoredModelError
from detectors.report import PruningReport
from detectors.storage.archive import plain_parameter, read_model, write_model
from tsprune.logs.counting import LineType
from tsprune.logs.order import EventOrder
from tsprune.logs.templates import mine_templates
from tsprune.logs.vocabulary import Vocabulary
from tsprune.logs.word_model import WordModel

__all__ = ["read_log_model", "write_log_model"]

_KIND = "LogDetector"


def write_log_model(path: Any, model: Any) -> None:
    """Write a fitted `LogDetector` to `path`.

    Raises
    ------
    StoredModelError
        If a parameter cannot be stored.
    """
    parameters = model.get_params()
    if isinstance(parameters["by"], re.Pattern):
        parameters["by"] = parameters["by"].pattern
    parameters["reference"] = None  # what was normal is in the model
    numbers, arrays = model._model.stored()
    kinds = list(model._types.values())
    manifest = {
        "parameters": {name: plain_parameter(name, value) for name, value in parameters.items()},
        "model": numbers,
        "new_share": model._order.new_share,
        "rare_share": model._order.rare_share,
        "report": model.report_.to_json(),
        "offset": model.offset_,
        "examples": [kind.examples for kind in kinds],
    }
    lengths = np.array([len(kind.words) for kind in kinds], dtype=np.int64)
    arrays = {
        **{f"model_{name}": value for name, value in arrays.items()},
        **model._vocabulary.arrays(),
        "type_keys": np.array(list(model._types), dtype=np.uint64),
        "type_lengths": lengths,
        "type_words": np.array([w for kind in kinds for w in kind.words], dtype=np.int64),
        "type_counts": np.array([kind.count for kind in kinds], dtype=np.int64),
        "steps": model._order.steps,
        "step_share": model._order.share,
        "usual": model._usual,
        "fitted_scores": model._fitted_scores,
        "weights": model.weights_,
    }
    write_model(path, _KIND, manifest, arrays)


def read_log_model(path: Any, model: Any) -> Any:
    """Fill an unfitted `LogDetector` with what `write_log_model` wrote.

    Raises
    ------
    StoredModelError
        If the file is foreign, damaged or contradicts itself.
    """
    manifest, arrays = read_model(path, _KIND)
    try:
        model.set_params(**manifest["parameters"])
        inner = {name[6:]: value for name, value in arrays.items() if name.startswith("model_")}
        model._model = WordModel(**{**manifest["model"], **inner})
        model._vocabulary = Vocabulary.restored(arrays["word_bytes"], arrays["word_offsets"])
        model.vocabulary_ = model._vocabulary.texts()
        ends = np.concatenate([[0], np.cumsum(arrays["type_lengths"])])
        model._types = {}
        for i, (key, count) in enumerate(zip(arrays["type_keys"], arrays["type_counts"], strict=True)):
            words = tuple(arrays["type_words"][ends[i] : ends[i + 1]].tolist())
            examples = [(str(a), int(b), str(c)) for a, b, c in manifest["examples"][i]]
            model._types[int(key)] = LineType(words, examples, int(count))
        kinds = [kind.words for kind in model._types.values()]
        model.templates_, model._member = mine_templates(kinds, model.vocabulary_)
        model._order = EventOrder(
            arrays["steps"], float(manifest["new_share"]), arrays["step_share"], float(manifest["rare_share"])
        )
        model._usual = arrays["usual"]
        model._fitted_scores = arrays["fitted_scores"]
        model.weights_ = arrays["weights"]
        model.support_ = model.weights_ > 0
        model.offset_ = float(manifest["offset"])
        model.report_ = PruningReport.from_json(manifest["report"])
        if not len(model.weights_) == len(model.vocabulary_) == len(model._model.share):
            raise ValueError("words, weights and shares differ in number")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoredModelError(
            f"{path}: the stored log model contradicts itself ({error!r}); save it again."
        ) from error
    return model
