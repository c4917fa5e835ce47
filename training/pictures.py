"""The evaluation as pictures: who is confused with whom, whether probabilities hold, what abstaining buys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.metrics import risk_coverage
from triage.reading import PRIMARY
from triage.taxonomy import TYPES

Table = dict[str, NDArray[Any]]


def draw(
    out: Path, gold: Table, found: Table, probabilities: Table, rows: NDArray[np.int64], certain: NDArray[Any]
) -> None:
    """Write confusion.png, intensity.png, reliability.png and risk_coverage.png for the complaint ``rows``."""
    mpl.use("Agg")
    _confusion(out / "confusion.png", gold["primary"][rows], found["primary"][rows], list(PRIMARY), "primary type")
    _confusion(
        out / "intensity.png", gold["intensity"][rows], found["intensity"][rows], ["0", "1", "2", "3"], "intensity"
    )
    _reliability(out / "reliability.png", gold["types"][rows] == 1, probabilities["types"][rows])
    best = probabilities["primary"][rows].argmax(axis=1)
    _risk_coverage(out / "risk_coverage.png", best == gold["primary"][rows], certain)


def _figure(title: str, x: str, y: str) -> tuple[Any, Any]:
    figure = Figure(figsize=(5.2, 4.4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _confusion(path: Path, gold: NDArray[Any], found: NDArray[Any], labels: list[str], what: str) -> None:
    """Counts of gold (rows) against found (columns); abstained texts are left out and counted in the title."""
    answered = found >= 0
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (gold[answered], found[answered]), 1)
    left_out = int((~answered).sum())
    title = f"{what}, dev" + (f" ({left_out} abstained)" if left_out else "")
    figure, axes = _figure(title, "decided", "gold")
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=30)
    axes.set_yticks(range(len(labels)), labels)
    for (i, j), count in np.ndenumerate(counts):
        dark = count > counts[i].sum() / 2
        axes.text(j, i, str(count), ha="center", va="center", color="white" if dark else "black")
    figure.savefig(path)


def _reliability(path: Path, gold: NDArray[np.bool_], probabilities: NDArray[Any], bins: int = 10) -> None:
    figure, axes = _figure("types: stated probability against frequency, dev", "probability", "share that was right")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for k, label in enumerate(TYPES):
        where = np.minimum((probabilities[:, k] * bins).astype(int), bins - 1)
        points = [
            (probabilities[where == b, k].mean(), gold[where == b, k].mean())
            for b in range(bins)
            if (where == b).sum() >= 5
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label.name)
    axes.legend()
    figure.savefig(path)


def _risk_coverage(path: Path, correct: NDArray[Any], certain: NDArray[Any]) -> None:
    coverage, risk = risk_coverage(correct, certain)
    figure, axes = _figure("primary type, dev: errors among the surest", "coverage", "error rate")
    axes.plot(coverage, risk)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(0.05, float(risk.max()) * 1.1))
    figure.savefig(path)
