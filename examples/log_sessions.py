"""Find the abnormal session of a generated log, and show why.

Lines of a shop: sessions log in, look at items, pay and log out. One session pays without having logged in and meets
a deadlock of the database. Run it with ``python examples/log_sessions.py``; it writes nothing.
"""

from __future__ import annotations

import numpy as np

from tsprune import LogDetector


def session(number: int, rng: np.random.Generator) -> list[str]:
    """Lines of a usual session."""
    lines = [f"INFO auth: user logged in session=s{number} from 10.0.{rng.integers(256)}.{rng.integers(256)}"]
    lines += [
        f"INFO web: GET /item/{rng.integers(10_000)} session=s{number} took {rng.integers(2, 90)} ms"
        for _ in range(rng.integers(1, 6))
    ]
    if rng.random() < 0.4:
        lines.append(f"INFO pay: order {rng.integers(10**6)} paid session=s{number}")
    return [*lines, f"INFO auth: user logged out session=s{number}"]


def log() -> list[str]:
    """Lines of 300 sessions, the last one abnormal."""
    rng = np.random.default_rng(0)
    lines = [line for number in range(300) for line in session(number, rng)]
    lines.append("INFO pay: order 77 paid session=s300")
    lines.append("ERROR db: deadlock found when trying to get lock session=s300")
    return lines


def main() -> None:
    """Fit, score and explain the same lines."""
    lines = log()
    model = LogDetector(by=r"session=(s\d+)", random_state=0).fit(lines)
    scores = model.score_samples(lines)
    print(f"{len(scores)} sessions, {len(model.vocabulary_)} words, {int(model.support_.sum())} kept")
    print(f"most abnormal: {scores.idxmin()} with score {scores.min():.1f}, median {scores.median():.1f}")
    for _, finding in model.explain(lines, n=1).iterrows():
        print(f"  {finding['kind']}: {finding['item']} ({finding['count']:g}, usual {finding['usual']:g})")
        for line in finding["lines"]:
            print(f"      {line}")


if __name__ == "__main__":
    main()
