"""LogFollower: score a growing log, window by window or line by line, and lose nothing when killed.

Invariant: the state names the byte up to which the log is scored and the length of the output at that moment; a run
that goes on cuts the output back to it, so every document is written exactly once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.exceptions import StoredModelError, StoredStateError
from detectors.storage.atomic_file import replace_file
from tsprune.exceptions import GuardError, InvalidRecordError
from tsprune.logs.detector import LogDetector
from tsprune.logs.line_times import found_seconds, window_seconds

__all__ = ["LogFollower"]

_FORMAT = 1
_AT_ONCE = 20_000  # lines
_WAIT = 0.2  # seconds between looks at a file that does not grow
_SHOWN = 3


class LogFollower:
    """Reads a file of log lines as it grows, learns from its first lines and scores the others.

    Parameters
    ----------
    path : Path
        Text, one line a record; not compressed.
    state : Path
        JSON; the model stands beside it, with ``.model`` behind its name. Made if absent.
    output : Path
        JSON lines: every window, or every abnormal line, with score, p-value, label and the strongest findings.
    window : str or None
        Length of the documents; None = lines.
    prime : int
        Lines to learn from.
    seed : int
    """

    def __init__(self, path: Path, state: Path, output: Path, *, window: str | None, prime: int, seed: int) -> None:
        self.path, self.state, self.output = path, state, output
        self.window, self.prime, self.seed = window, prime, seed
        self.stopping = False
        self.documents = self.abnormal = self.lines = 0
        self._model_path = state.with_name(state.name + ".model")
        self._position = 0  # first byte that is not scored
        self._read_to = 0

    def run(self, *, follow: bool) -> None:
        """Score what is there, and, with `follow`, what comes until `stopping` is set.

        Raises
        ------
        InvalidRecordError
            If the file is compressed, or became shorter than it was.
        StoredStateError
            If state and output do not belong together.
        GuardError
            If there are too few lines to learn from.
        """
        if self.path.suffix == ".gz":
            raise InvalidRecordError(
                f"a log that is followed must be plain text, got {self.path.name!r}; unpack it, or score it as a whole "
                "without --state.",
                "shape",
            )
        model = self._resumed() or self._primed(follow)
        pending: list[tuple[float, str, int]] = []
        with self.output.open("ab") as output:
            for lines in self._batches(follow):
                pending += self._placed(lines, pending)
                done = self._finished(pending, last=False)
                self._write(model, output, done)
                pending = pending[len(done) :]
                self._commit(output, pending)
            if not follow:  # the log ends here: its last window is whole
                self._write(model, output, pending)
                self._commit(output, [])

    def _resumed(self) -> LogDetector | None:
        """The model of an earlier run, the output cut back to its state; None if there is no state."""
        if not self.state.exists():
            self.output.write_bytes(b"")
            return None
        try:
            stored = json.loads(self.state.read_text())
            if stored["format"] != _FORMAT or (stored["window"], stored["prime"]) != (self.window, self.prime):
                raise StoredStateError(
                    f"the state {str(self.state)!r} must belong to the same --window and --prime, it has "
                    f"{stored['window']!r} and {stored['prime']}; give these, or another --state."
                )
            self._position, length = int(stored["position"]), int(stored["output"])
            self.documents, self.abnormal, self.lines = (int(stored[k]) for k in ("documents", "abnormal", "lines"))
        except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StoredStateError(f"{str(self.state)!r} must be a state of `tsprune logs`, got: {error!r}.") from error
        here = self.output.stat().st_size if self.output.exists() else 0
        if here < length:
            raise StoredStateError(
                f"the output {str(self.output)!r} must have the {length} bytes its state knows, got {here}; restore "
                "it, or start anew with another --state."
            )
        os.truncate(self.output, length)
        if self.path.stat().st_size < self._position:
            raise InvalidRecordError(
                f"{self.path.name} must only grow, it is shorter than the {self._position} bytes scored; name the "
                "rotated file, or start anew with another --state.",
                "shape",
            )
        try:
            return LogDetector.load(self._model_path)
        except FileNotFoundError as error:
            raise StoredModelError(
                f"the model {str(self._model_path)!r} must stand beside its state; restore it."
            ) from error

    def _primed(self, follow: bool) -> LogDetector:
        """A model of the first lines."""
        lines: list[str] = []
        for batch in self._batches(follow):
            open_ = self.prime - len(lines)
            lines += [text for text, _ in batch[:open_]]
            self._position = batch[open_][1] if open_ < len(batch) else self._read_to
            if len(lines) == self.prime or self.stopping:
                break
        model = LogDetector(window=self.window, random_state=self.seed)
        try:
            model.fit(lines)
        except InvalidRecordError as error:
            raise GuardError(f"there is not enough to learn from in {len(lines)} lines: {error}") from error
        model.save(self._model_path)
        self.lines = len(lines)
        return model

    def _batches(self, follow: bool) -> Iterator[list[tuple[str, int]]]:
        """Whole lines from the position on, each with its first byte."""
        with self.path.open("rb") as file:
            file.seek(self._position)
            position = self._position
            rest = b""
            while not self.stopping:
                block = file.read(1 << 20)
                if not block:
                    if not follow:
                        if rest:  # a last line without an end
                            self._read_to = position + len(rest)
                            yield [(rest.decode("utf-8", "replace"), position)]
                        return
                    time.sleep(_WAIT)
                    continue
                parts = (rest + block).split(b"\n")
                rest = parts.pop()
                lines = []
                for part in parts:
                    lines.append((part.rstrip(b"\r").decode("utf-8", "replace"), position))
                    position += len(part) + 1
                for start in range(0, len(lines), _AT_ONCE):
                    following = lines[start + _AT_ONCE : start + _AT_ONCE + 1]
                    self._read_to = following[0][1] if following else position
                    yield lines[start : start + _AT_ONCE]

    def _placed(
        self, lines: list[tuple[str, int]], pending: list[tuple[float, str, int]]
    ) -> list[tuple[float, str, int]]:
        """Lines with the start of their window; late lines and those without a time join the current window."""
        if self.window is None:
            return [(0.0, text, position) for text, position in lines]
        length = window_seconds(self.window)
        start = np.floor(found_seconds([text for text, _ in lines]) / length) * length
        current = pending[-1][0] if pending else -np.inf
        placed = []
        for (text, position), value in zip(lines, start.tolist(), strict=True):
            current = max(current, value) if value == value else current
            placed.append((current, text, position))
        return placed

    def _finished(self, pending: list[tuple[float, str, int]], *, last: bool) -> list[tuple[float, str, int]]:
        """The lines of windows that are over: all but those of the last one."""
        if self.window is None or last or not pending:
            return list(pending)
        return [entry for entry in pending if entry[0] < pending[-1][0]]

    def _write(self, model: LogDetector, output: Any, entries: list[tuple[float, str, int]]) -> None:
        """Score finished documents and append them to the output."""
        entries = [entry for entry in entries if np.isfinite(entry[0])]
        if not entries:
            return
        lines = [text for _, text, _ in entries]
        names = None if self.window is None else [start for start, _, _ in entries]
        scores = model.score_samples(lines, sessions=names)
        p_values = model.p_values(scores)
        for place, (name, score, p_value) in enumerate(zip(scores.index, scores, p_values, strict=True)):
            abnormal = bool(score < model.offset_)
            self.documents += 1
            self.abnormal += abnormal
            if self.window is None and not abnormal:
                continue
            record: dict[str, Any] = {"score": float(score), "p_value": float(p_value), "label": -1 if abnormal else 1}
            if self.window is None:
                record = {"line": self.lines + place + 1, "text": lines[place], **record}
            else:
                record = {"window": pd.Timestamp(name, unit="s").isoformat(), **record}
            if abnormal:
                own = [lines[place]] if names is None else [t for t, n in zip(lines, names, strict=True) if n == name]
                found = model.explain(own, sessions=None if names is None else [name] * len(own), n=1)
                shown = found[["kind", "item", "count", "usual", "lines"]].head(_SHOWN)
                record["findings"] = shown.to_dict("records")
            output.write(json.dumps(record).encode() + b"\n")
        self.lines += len(lines)

    def _commit(self, output: Any, pending: list[tuple[float, str, int]]) -> None:
        """Make output and state durable; the state stands before the first line that is not scored."""
        output.flush()
        os.fsync(output.fileno())
        self._position = pending[0][2] if pending else self._read_to
        body = {
            "format": _FORMAT, "window": self.window, "prime": self.prime, "position": self._position,
            "output": output.tell(), "documents": self.documents, "abnormal": self.abnormal, "lines": self.lines,
        }  # fmt: skip
        replace_file(self.state, json.dumps(body).encode())
