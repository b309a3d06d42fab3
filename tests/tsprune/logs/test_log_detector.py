"""LogDetector on generated logs of several styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from detectors.exceptions import InvalidParameterError, StoredModelError
from tsprune import LogDetector
from tsprune.exceptions import InvalidRecordError

BY = r"session=(s\d+)"


def shop(n: int = 250, broken: int = 8, seed: int = 0) -> tuple[list[str], list[str]]:
    """Lines of sessions, interleaved in time, and the names of those that are broken."""
    rng = np.random.default_rng(seed)
    lines: list[tuple[float, str]] = []
    bad = [f"s{i}" for i in rng.choice(n, broken, replace=False)]
    for i in range(n):
        name, t = f"s{i}", float(i)
        texts = [f"INFO auth: user {rng.integers(10**6)} logged in session={name} from 10.0.0.{rng.integers(256)}"]
        texts += [f"INFO web: GET /item/{rng.integers(10**5)} session={name}" for _ in range(rng.integers(2, 7))]
        if name in bad:
            texts.append(f"WARN db: lock wait of {rng.integers(900)} ms exceeded session={name}")
        else:
            texts.append(f"INFO auth: user logged out session={name}")
        for text in texts:
            t += rng.exponential(0.5)
            stamp = pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=60 * t)
            lines.append((t, f"{stamp.isoformat()} {text}"))
    return [line for _, line in sorted(lines)], bad


def access_log(n: int = 600, seed: int = 1) -> tuple[list[str], list[int]]:
    """Lines of a web server, some of them errors."""
    rng = np.random.default_rng(seed)
    bad = sorted(rng.choice(n, 6, replace=False).tolist())
    paths = ["/", "/cart", "/item", "/help"]
    lines = []
    for i in range(n):
        what = "ERROR upstream closed" if i in bad else "served"
        lines.append(
            f'10.0.{rng.integers(256)}.{rng.integers(256)} - - [10/Oct/2000:13:55:36 -0700] "GET {paths[i % 4]}" {what}'
        )
    return lines, bad


def test_broken_sessions_come_first_and_pruning_changes_nothing_there() -> None:
    lines, bad = shop()
    for prune in (True, False):
        model = LogDetector(by=BY, prune=prune, random_state=0).fit(lines)
        scores = model.score_samples(lines)
        assert set(scores.nsmallest(len(bad)).index) == set(bad)
        assert len(model.support_) == len(model.vocabulary_)
    pruned = LogDetector(by=BY, random_state=0).fit(lines)
    assert pruned.support_.mean() <= 0.5
    assert pruned.weights_.sum() <= len(pruned.vocabulary_)


def test_a_pruned_word_has_no_influence() -> None:
    lines, _ = shop()
    model = LogDetector(by=BY, random_state=0).fit(lines)
    gone = [w for w, kept in zip(model.vocabulary_, model.support_, strict=True) if not kept and w.isalpha()]
    more = [f"{line} {gone[0]}" for line in lines]
    order = model._order
    model._order = type(order)(order.steps, 1.0, order.share, 1.0)  # lines of another type are another order
    pd.testing.assert_series_equal(model.score_samples(lines), model.score_samples(more))


def test_lines_are_documents_without_anything_else() -> None:
    lines, bad = access_log()
    model = LogDetector(random_state=0).fit(lines)
    scores = model.score_samples(lines)
    assert sorted(scores.nsmallest(6).index) == bad
    assert scores.index.name == "line"
    found = model.explain(lines, n=1)
    assert found["item"].str.contains("ERROR").any()
    assert any("ERROR upstream closed" in line for lines_ in found["lines"] for line in lines_)


def test_windows_are_documents() -> None:
    lines, _ = shop()
    burst = [f"2024-01-01T02:03:0{k} ERROR kernel: out of memory" for k in range(9)]
    everything = sorted(lines + burst)
    model = LogDetector(window="10min", random_state=0).fit(everything)
    scores = model.score_samples(everything)
    assert scores.idxmin() == pd.Timestamp("2024-01-01T02:00:00")
    found = model.explain(everything, n=1)
    assert found["item"].str.contains("out of memory").any()


def test_a_reference_tells_what_was_never_seen() -> None:
    lines, bad = shop(seed=2)
    sessions = [line.split("session=")[1].split()[0] for line in lines]
    normal = np.array([s not in bad and int(s[1:]) % 2 == 0 for s in sessions])
    marked = LogDetector(random_state=0).fit(lines, sessions=sessions, reference=normal)
    rest = [i for i in range(len(lines)) if not normal[i]]
    scores = marked.score_samples([lines[i] for i in rest], sessions=[sessions[i] for i in rest])
    assert roc_auc_score(np.isin(scores.index, bad), -scores) == 1.0
    labels = marked.predict([lines[i] for i in rest], sessions=[sessions[i] for i in rest])
    assert (labels[bad] == -1).all()
    found = marked.explain([lines[i] for i in rest], sessions=[sessions[i] for i in rest], n=1)
    assert {"new word", "unknown template"} <= set(found["kind"])
    assert "exceeded" in " ".join(found["item"])


def test_a_time_is_a_reference_too() -> None:
    lines, _ = shop(broken=0)
    later = [f"2024-01-01T09:00:0{k} kernel: panic of cpu {k}" for k in range(3)]
    model = LogDetector(window="10min", reference="2024-01-01T05:00:00", random_state=0).fit(lines + later)
    assert "panic" not in model.vocabulary_
    assert model.score_samples(lines + later).idxmin() == pd.Timestamp("2024-01-01T09:00:00")


def test_order_is_evidence_where_documents_keep_it() -> None:
    steady = [f"{what} job={i}" for i in range(300) for what in ("open", "read", "check", "close")]
    turned = [f"{what} job=999" for what in ("open", "check", "read", "close")]
    model = LogDetector(by=r"job=(\d+)", random_state=0).fit(steady)
    assert model._order.speaks
    scores = model.score_samples(steady[:40] + turned)
    assert scores.idxmin() == "999"
    found = model.explain(steady[:40] + turned, n=1)
    assert set(found["kind"]) == {"new order"}
    assert "open job # -> check job #" in set(found["item"])
    both = LogDetector(by=r"job=(\d+)", random_state=0).fit(steady + turned)
    assert both.score_samples(steady + turned).idxmin() == "999"  # rare, not new
    rng = np.random.default_rng(0)
    mixed = [f"{w}{k} job={i}" for i in range(60) for w, k in zip(rng.permutation(list("abcdefgh")), "abcdefgh")]  # noqa: B905
    assert not LogDetector(by=r"job=(\d+)", random_state=0).fit(mixed)._order.speaks


def test_p_values_are_shares_of_the_fitted_documents() -> None:
    lines, bad = shop()
    model = LogDetector(by=BY, random_state=0).fit(lines)
    scores = model.score_samples(lines)
    p = pd.Series(model.p_values(scores), index=scores.index)
    assert p.min() >= 1 / (len(scores) + 1)
    assert p.max() <= 1.0
    assert p[bad].max() < 0.06
    assert (model.decision_function(lines) < 0).equals(model.predict(lines) == -1)


def test_fitting_in_blocks_scoring_twice_and_files_change_nothing(tmp_path: Path) -> None:
    lines, _ = shop()
    path = tmp_path / "shop.log"
    path.write_text("\n".join(lines) + "\n")
    model = LogDetector(by=BY, random_state=0).fit(lines)
    again = LogDetector(by=BY, random_state=0).fit(path)
    scores = model.score_samples(lines)
    pd.testing.assert_series_equal(scores, again.score_samples(path))
    pd.testing.assert_series_equal(scores, model.score_samples(iter(lines)))
    one = model.score_samples([line for line in lines if scores.index[3] in line.split("session=")[1].split()])
    assert one.iloc[0] == pytest.approx(scores.iloc[3])
    shown = [line for lines_ in model.explain(path, n=1)["lines"] for line in lines_]
    assert shown
    assert all(line.startswith(f"{path}:") for line in shown)


def test_save_and_load(tmp_path: Path) -> None:
    lines, _ = shop()
    model = LogDetector(by=BY, random_state=0).fit(lines)
    model.save(tmp_path / "model")
    again = LogDetector.load(tmp_path / "model")
    pd.testing.assert_series_equal(model.score_samples(lines), again.score_samples(lines))
    pd.testing.assert_frame_equal(model.explain(lines, n=2), again.explain(lines, n=2))
    assert again.report_ == model.report_
    assert again.get_params() == model.get_params()
    (tmp_path / "broken").write_bytes((tmp_path / "model").read_bytes()[:-9])
    with pytest.raises(StoredModelError, match="checksum"):
        LogDetector.load(tmp_path / "broken")


def test_the_report_has_words_lines_and_documents() -> None:
    lines, _ = shop()
    frame = LogDetector(by=BY, random_state=0).fit(lines).report_.to_frame()
    assert set(frame["kind"]) == {"word", "line", "document"}
    constant = frame[(frame["kind"] == "line") & ~frame["kept"]]
    assert constant["item"].str.contains("logged in").all()
    assert len(constant) == 1


def test_counts_of_templates_a_window() -> None:
    lines, _ = shop()
    model = LogDetector(by=BY, random_state=0).fit(lines)
    counts = model.template_counts([*lines, "2024-01-01T01:00:00 never seen"], window="30min")
    assert counts.to_numpy().sum() == len(lines) + 1
    assert counts["other"].sum() == 1
    assert counts.index.freq is not None


def test_what_cannot_be_fitted_is_refused_by_name() -> None:
    with pytest.raises(InvalidRecordError, match="at least two documents, got 0"):
        LogDetector(by="nothing").fit(["a", "b"])
    for parameters in ({"by": "("}, {"window": "nonsense"}, {"prune": "yes"}):
        with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
            LogDetector(**parameters).fit(["a", "b"])
    with pytest.raises(InvalidRecordError, match="at least two documents"):
        LogDetector(window="5min").fit(["no time", "in these"])


def test_logs_without_differences_keep_everything() -> None:
    model = LogDetector(random_state=0).fit(["same line 1", "same line 2", "same line 3"] * 20)
    assert model.support_.all()
    assert any("guard" in g for g in model.report_.guards)
    assert model.score_samples(["same line 9", "new words"]).idxmin() == 1


def test_clone_and_empty_lines() -> None:
    model = LogDetector(by=BY, window=None, random_state=3)
    assert clone(model).get_params() == model.get_params()
    lines, _ = shop(40, 2)
    scored = LogDetector(random_state=0).fit(lines).score_samples(["", *lines])
    assert len(scored) == len(lines) + 1
    assert np.isfinite(scored).all()
