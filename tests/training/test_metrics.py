"""The figures we report are the textbook's: checked against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, fbeta_score

from training.metrics import (
    bootstrap_interval,
    expected_calibration_error,
    f_beta,
    pearson,
    precision_recall_f1,
    quadratic_weighted_kappa,
    risk_coverage,
)

RANDOM = np.random.default_rng(5)
GOLD, FOUND = RANDOM.integers(0, 4, 300), RANDOM.integers(0, 4, 300)


def test_kappa_and_f_agree_with_scikit_learn() -> None:
    assert quadratic_weighted_kappa(GOLD, FOUND) == pytest.approx(cohen_kappa_score(GOLD, FOUND, weights="quadratic"))
    assert f_beta(GOLD > 1, FOUND > 1) == pytest.approx(f1_score(GOLD > 1, FOUND > 1))
    weight = RANDOM.random(300)
    expected = fbeta_score(GOLD > 1, FOUND > 1, beta=2, sample_weight=weight)
    assert f_beta(GOLD > 1, FOUND > 1, weight, 2.0) == pytest.approx(expected)


def test_nothing_found_is_zero_not_an_error() -> None:
    nothing = np.zeros(5, dtype=bool)
    assert f_beta(nothing, nothing) == 0.0
    assert precision_recall_f1(nothing, nothing)["f1"] == 0.0
    assert pearson(np.zeros(5), np.arange(5.0)) == 0.0


def test_calibration_error_of_overconfidence_is_its_size() -> None:
    gold = np.array([1, 0] * 50)
    assert expected_calibration_error(gold, np.full(100, 0.9)) == pytest.approx(0.4)
    assert expected_calibration_error(gold, np.full(100, 0.5)) == pytest.approx(0.0)


def test_answering_only_the_surest_lowers_the_error_rate() -> None:
    coverage, risk = risk_coverage(np.array([True, True, False, False]), np.array([0.9, 0.8, 0.3, 0.2]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0.0, 0.0, 1 / 3, 0.5])


def test_the_interval_holds_the_figure_and_repeats() -> None:
    values = RANDOM.random(200)
    low, high = bootstrap_interval(200, lambda i: float(values[i].mean()))
    assert low < values.mean() < high
    assert (low, high) == bootstrap_interval(200, lambda i: float(values[i].mean()))
