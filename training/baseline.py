"""The yardstick: TF-IDF over character 1–4-grams with logistic regression, trained on the corpora as they are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from training.corpus import OURS, prepared_text
from training.gate import Case, Judge, Judgement, run_gate
from training.metrics import f_beta, quadratic_weighted_kappa
from triage.reading import PRIMARY
from triage.taxonomy import CRISIS_RISKS, DEMANDS, RISKS, TYPES, names

log = structlog.get_logger()

Predictions = dict[str, NDArray[Any]]


class TfidfBaseline:
    """Linear models on the complaints of a training split: one a binary label, one for the primary type, one ridge."""

    def __init__(self, train: Dataset) -> None:
        train = train.filter(lambda primary: primary >= 0, input_columns="primary")
        self.rows = len(train)
        self._vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
        seen = self._vectorizer.fit_transform(list(train["text"]))
        self._binary = {
            head: [_logistic(seen, np.array(train[head])[:, k]) for k in range(len(labels))]
            for head, labels in (("types", TYPES), ("demands", DEMANDS), ("risks", RISKS))
        }
        self._primary = LogisticRegression(class_weight="balanced", C=5, max_iter=200)
        self._primary.fit(seen, np.array(train["primary"]))
        self._intensity = Ridge(alpha=1.0).fit(seen, np.array(train["intensity"])[:, 0].sum(axis=1))

    def predict(self, texts: list[str]) -> Predictions:
        """Binary decisions by head (rows, labels), ``primary`` (rows) and unrounded ``intensity`` (rows)."""
        features = self._vectorizer.transform(texts)
        found = {
            head: np.stack([model.predict(features) == 1 for model in models], axis=1)
            for head, models in self._binary.items()
        }
        intensity = self._intensity.predict(features).clip(0, 3)
        return {**found, "primary": self._primary.predict(features), "intensity": intensity}

    def judge(self) -> Judge:
        """The baseline before the metamorphic gate; it routes nothing and knows no joy."""
        crisis = [name in CRISIS_RISKS for name in names(RISKS)]

        def judge(text: str) -> Judgement:
            found = {name: value[0] for name, value in self.predict([prepared_text(text)]).items()}
            return Judgement(
                score=float(found["intensity"]),
                intensity=int(found["intensity"].round()),
                primary=PRIMARY[found["primary"]],
                types=frozenset(np.array(names(TYPES))[found["types"]].tolist()),
                crisis=bool(found["risks"][crisis].any()),
            )

        return judge


def tfidf_baseline(
    corpus: DatasetDict,
    run: Path,
    gold: Predictions,
    rows: dict[str, NDArray[np.int64]],
    cases: dict[str, list[Case]],
) -> dict[str, Any]:
    """The baseline's figures on the dev complaints and at the gate; kept in ``run/baseline.json``: it takes minutes.

    It learns from the corpora without the labels we added, so that one champion's yardstick is the next one's too;
    ``with_our_labels`` are its figures on the very rows that the network learnt from.
    """
    path = run / "baseline.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    given = corpus["train"].filter(lambda file: file != OURS, input_columns="file")
    model = TfidfBaseline(given)
    figures: dict[str, Any] = {
        **_figures(model, corpus["dev"], gold, rows["complaints"]),
        "gate": {kind: outcome["rate"] for kind, outcome in run_gate(model.judge(), cases).items()},
    }
    if len(given) < len(corpus["train"]):
        more = TfidfBaseline(corpus["train"])
        figures["with_our_labels"] = _figures(more, corpus["dev"], gold, rows["complaints"])
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")
    log.info("baseline", **figures)
    return figures


def _figures(model: TfidfBaseline, dev: Dataset, gold: Predictions, on: NDArray[np.int64]) -> dict[str, Any]:
    found = model.predict([dev["text"][int(i)] for i in on])
    f1 = {
        label.name: round(f_beta(gold["types"][on, k] == 1, found["types"][:, k]), 4) for k, label in enumerate(TYPES)
    }
    return {
        "rows": model.rows,
        "types_f1": f1,
        "macro3": round(float(np.mean([f1[label.name] for label in TYPES[:3]])), 4),
        "primary_accuracy": round(float((found["primary"] == gold["primary"][on]).mean()), 4),
        "intensity_qwk": round(quadratic_weighted_kappa(gold["intensity"][on], found["intensity"].round()), 4),
        "demands_micro_f1": round(f_beta(gold["demands"][on].ravel() == 1, found["demands"].ravel()), 4),
        "risks_micro_f1": round(f_beta(gold["risks"][on].ravel() == 1, found["risks"].ravel()), 4),
    }


def _logistic(seen: Any, gold: NDArray[Any]) -> Any:
    if len(np.unique(gold)) < 2:
        return DummyClassifier(strategy="most_frequent").fit(seen, gold)
    return LogisticRegression(class_weight="balanced", C=5, solver="liblinear", max_iter=200).fit(seen, gold)
