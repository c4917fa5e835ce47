"""The arithmetic of the figures we report, on plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


def f_beta(gold: Numbers, found: Numbers, weight: Numbers | None = None, beta: float = 1.0) -> float:
    """F-beta of binary decisions, optionally with a weight per row; 0 where nothing was rightly found."""
    w = np.ones(len(gold)) if weight is None else weight
    gold, found = gold.astype(bool), found.astype(bool)
    tp, fp, fn = (w * (gold & found)).sum(), (w * (~gold & found)).sum(), (w * (gold & ~found)).sum()
    return float((1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)) if tp else 0.0


def precision_recall_f1(gold: Numbers, found: Numbers) -> dict[str, float]:
    """Precision, recall, F1 and the number of gold positives of one label."""
    tp = int((gold & found).sum())
    return {
        "precision": round(tp / max(1, int(found.sum())), 4),
        "recall": round(tp / max(1, int(gold.sum())), 4),
        "f1": round(f_beta(gold, found), 4),
        "support": int(gold.sum()),
    }


def quadratic_weighted_kappa(gold: Numbers, found: Numbers, grades: int = 4) -> float:
    """Cohen's kappa with quadratic weights over grades 0 … grades - 1; 0 where it is undefined."""
    observed = np.zeros((grades, grades))
    np.add.at(observed, (gold.astype(int), found.astype(int)), 1)
    distance = np.subtract.outer(np.arange(grades), np.arange(grades)) ** 2
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / max(1, len(gold))
    disagreement = (distance * expected).sum()
    return float(1 - (distance * observed).sum() / disagreement) if disagreement else 0.0


def pearson(a: Numbers, b: Numbers) -> float:
    """Pearson's r; 0 where one side does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def expected_calibration_error(gold: Numbers, probabilities: Numbers, bins: int = 10) -> float:
    """Mean gap between confidence and frequency over equally wide bins, weighted by their rows."""
    gold, probabilities = gold.ravel(), probabilities.ravel()
    where = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        (where == b).sum() * abs(probabilities[where == b].mean() - gold[where == b].mean())
        for b in range(bins)
        if (where == b).any()
    ]
    return float(sum(gaps) / len(gold))


def bootstrap_interval(
    rows: int, figure: Callable[[Numbers], float], *, repeats: int = 1000, seed: int = 7
) -> tuple[float, float]:
    """The 95 % percentile interval of ``figure(indices)`` over resamples of ``rows`` rows."""
    random = np.random.default_rng(seed)
    values = [figure(random.integers(0, rows, rows)) for _ in range(repeats)]
    low, high = np.percentile(values, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def paired_bootstrap(
    rows: int, a: Callable[[Numbers], float], b: Callable[[Numbers], float], *, repeats: int = 1000, seed: int = 7
) -> tuple[tuple[float, float], float]:
    """The 95 % interval of ``b - a`` over resamples of ``rows`` rows, and the share of resamples with b not below a.

    Both are taken over the same resample each time, so that what is hard for both does not widen the interval.
    """
    random = np.random.default_rng(seed)
    resamples = (random.integers(0, rows, rows) for _ in range(repeats))
    differences = np.array([b(resample) - a(resample) for resample in resamples])
    low, high = np.percentile(differences, [2.5, 97.5])
    return (round(float(low), 4), round(float(high), 4)), round(float((differences >= 0).mean()), 4)


def risk_coverage(correct: Numbers, confidence: Numbers) -> tuple[Numbers, Numbers]:
    """(coverage, error rate) when only the most confident share of texts is answered."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~correct[order].astype(bool))
    answered = np.arange(1, len(order) + 1)
    return answered / len(order), wrong / answered
