"""A hook of mkdocs: the pictures of the documentation are made by the build, from data that ship with the dependencies.

Pictures lie in ``docs/pictures`` of the built site only; the gallery page shows every example of ``examples/``.
"""

from __future__ import annotations

import ast
import io
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Any, config: Any) -> Any:
    """Add the pictures and the gallery to the files of the site."""
    from mkdocs.structure.files import File

    for name, content in {**pictures(), "gallery.md": gallery()}.items():
        files.append(File.generated(config, name, content=content))
    return files


def pictures() -> dict[str, bytes]:
    """The pictures as PNG, by path."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from statsmodels.datasets import co2, elnino

    from tsprune import SeriesCleaner, SeriesDetector, decompose

    found: dict[str, bytes] = {}

    def keep(name: str, figure: Any) -> None:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=110)
        plt.close(figure)
        found[f"pictures/{name}.png"] = stream.getvalue()

    carbon = co2.load_pandas().data["co2"]
    cleaner = SeriesCleaner()
    clean = cleaner.fit_transform(carbon)
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.plot(clean["1961":"1966"], color="#c1121f", label="filled")
    axes.plot(carbon["1961":"1966"], color="#22577a", label="measured")
    axes.set(ylabel="CO2 (ppm)", title="Weekly CO2 at Mauna Loa: missing weeks filled, everything else left alone")
    axes.legend()
    keep("cleaning", figure)
    keep("decomposition", decompose(carbon).plot())
    table = elnino.load_pandas().data.set_index("YEAR")
    index = pd.date_range("1950-01-01", periods=table.size, freq="MS")
    sea = pd.Series(table.to_numpy(dtype=float).ravel(), index, name="sea temperature")
    detector = SeriesDetector(random_state=0).fit(sea)
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
    above.plot(sea, color="#22577a")
    above.set(ylabel="degrees C", title="Sea temperature: the strong El Nino years have the lowest scores")
    below.plot(index, np.asarray(detector.score_samples(sea)), color="#c1121f")
    below.set(ylabel="score")
    keep("detection", figure)
    return found


def gallery() -> str:
    """One page with every example: what it shows, and its code."""
    parts = ["# Gallery of examples", "", "Every program below runs in CI.", ""]
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        title = path.stem.replace("_", " ").capitalize()
        told = (ast.get_docstring(ast.parse(text)) or "").strip()
        body = text.split('"""', 2)[-1].strip()
        parts += [f"## {title}", "", told, "", "```python", body, "```", ""]
    return "\n".join(parts)
