"""The yardstick: TF-IDF over character 1–4-grams with logistic regression, trained on the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from datasets import DatasetDict
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from training.metrics import f_beta, quadratic_weighted_kappa
from triage.taxonomy import DEMANDS, RISKS, TYPES

log = structlog.get_logger()


def tfidf_baseline(
    corpus: DatasetDict, run: Path, gold: dict[str, NDArray[Any]], rows: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    """The baseline's figures on the dev complaints; kept in ``run/baseline.json``, since it takes minutes."""
    path = run / "baseline.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    train = corpus["train"].filter(lambda primary: primary >= 0, input_columns="primary")
    on = rows["complaints"]
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
    seen = vectorizer.fit_transform(list(train["text"]))
    dev = vectorizer.transform([corpus["dev"]["text"][int(i)] for i in on])
    found = {
        head: np.stack(
            [_logistic(seen, np.array(train[head])[:, k], dev) for k in range(len(labels))],
            axis=1,
        )
        for head, labels in (("types", TYPES), ("demands", DEMANDS), ("risks", RISKS))
    }
    primary = LogisticRegression(class_weight="balanced", C=5, max_iter=200).fit(seen, np.array(train["primary"]))
    levels = np.array(train["intensity"])[:, 0].sum(axis=1)
    intensity = Ridge(alpha=1.0).fit(seen, levels).predict(dev).round().clip(0, 3).astype(int)
    f1 = {
        label.name: round(f_beta(gold["types"][on, k] == 1, found["types"][:, k]), 4) for k, label in enumerate(TYPES)
    }
    figures = {
        "rows": len(train),
        "types_f1": f1,
        "macro3": round(float(np.mean([f1[label.name] for label in TYPES[:3]])), 4),
        "primary_accuracy": round(float((primary.predict(dev) == gold["primary"][on]).mean()), 4),
        "intensity_qwk": round(quadratic_weighted_kappa(gold["intensity"][on], intensity), 4),
        "demands_micro_f1": round(f_beta(gold["demands"][on].ravel() == 1, found["demands"].ravel()), 4),
        "risks_micro_f1": round(f_beta(gold["risks"][on].ravel() == 1, found["risks"].ravel()), 4),
    }
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")
    log.info("baseline", **figures)
    return figures


def _logistic(seen: Any, gold: NDArray[Any], dev: Any) -> NDArray[np.bool_]:
    if len(np.unique(gold)) < 2:
        return np.full(dev.shape[0], bool(gold[0]))
    model = LogisticRegression(class_weight="balanced", C=5, solver="liblinear", max_iter=200)
    return np.asarray(model.fit(seen, gold).predict(dev) == 1)
