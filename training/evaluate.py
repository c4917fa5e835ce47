"""What the served model is worth on the dev split: figures with intervals, slices, pictures, a baseline beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray

from training.baseline import tfidf_baseline
from training.calibrate import EMBEDDING, probabilities_by_row, read_logits, read_texts
from training.deletion import deletion
from training.domain import Foreign, read_foreign
from training.gate import read_cases, run_gate, snownlp
from training.metrics import (
    bootstrap_interval,
    expected_calibration_error,
    f_beta,
    pearson,
    precision_recall_f1,
    quadratic_weighted_kappa,
)
from training.pictures import draw
from training.tiers import tier_errors
from triage.bundle import Bundle, Manifest
from triage.classifier import Classifier, foreignness
from triage.reading import PRIMARY, Reading, confidence, read
from triage.records import Level
from triage.routing import load_router
from triage.taxonomy import CRISIS_RISKS, DEMANDS, EMOTIONS, HEADS, RISKS, TYPES, names

log = structlog.get_logger()

Table = dict[str, NDArray[Any]]
Figure = Callable[[NDArray[np.int64]], float]
SLICES = {
    "illicit": ("illicit", "illicit_posts"),
    "illicit_near": ("illicit_near", "illicit_near_posts"),
    "refusal": ("refusal",),
    "refusal_near": ("refusal_near",),
    "crisis": ("crisis", "self_harm", "violence"),
    "crisis_near": ("crisis_near", "near"),
    "safety": ("safety",),
}
"""Slices of the hard rows that are reported, by the slice names they are made of."""


def evaluate(corpus: DatasetDict, run: Path, cases: Path, foreign: Path) -> dict[str, Any]:
    """Figures of a calibrated run on the dev split, written to ``run/evaluation`` and into the draft manifest.

    ``cases`` holds the metamorphic gate's; the yardsticks stand before it here, the bundle itself when it is exported.
    ``foreign`` has the examples of what is no customer's message, of which a third was kept for measuring.
    """
    manifest = Manifest.model_validate_json((run / "draft.json").read_bytes())
    gate_cases = read_cases(cases)
    dev = corpus["dev"]
    logits = read_logits(run, dev, "dev")
    probabilities, readings = readings_by_row(logits, manifest)
    gold, found = gold_table(dev), found_table(readings)
    rows = {
        "complaints": _where(dev, lambda r: r["primary"] >= 0 and not r["slice"]),
        "hard": _where(dev, lambda r: r["primary"] >= 0 and bool(r["slice"])),
        "brighter": _where(dev, lambda r: r["source"] == "brighter"),
    }
    real = rows["complaints"]
    ece = {
        name: expected_calibration_error(gold["types"][real, i], probabilities["types"][real, i])
        for i, name in enumerate(names(TYPES))
    }
    figures = complaint_figures(gold, found, real)
    metrics: dict[str, Any] = {
        "dev": figures,
        "dev_abstained": int(found["abstained"][real].sum()),
        "ece_types": round(float(np.mean(list(ece.values()))), 4),
        "ece_by_type": {name: round(value, 4) for name, value in ece.items()},
        "slices": _slices(dev, found, rows["hard"]),
        "false_illicit_dev": _rate(found["types"][real, 3], gold["types"][real, 3] == 0),
        "false_crisis_dev": _rate(_crisis(found)[real], ~_crisis(gold)[real]),
        "evidence": deletion(_classifier(run, manifest).predict, manifest, [dev[int(i)]["text"] for i in real]),
        "tiers": tier_errors(dev, real, readings, gold, load_router()),
        "foreign_abstained": _foreign(run, manifest, read_foreign(foreign)),
        "brighter_pearson": _pearson_by_emotion(gold, found, rows["brighter"]),
        "baseline": tfidf_baseline(corpus, run, gold, rows, gate_cases),
        "snownlp": {"gate": {kind: outcome["rate"] for kind, outcome in run_gate(snownlp(), gate_cases).items()}},
    }
    manifest.metrics = metrics
    (run / "draft.json").write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    out = run / "evaluation"
    out.mkdir(exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(metrics, ensure_ascii=False, indent=1), encoding="utf-8")
    certain = np.array([confidence({k: v[i] for k, v in probabilities.items()}, manifest) for i in real])
    draw(out, gold, found, probabilities, real, certain)
    log.info("evaluate", **{k: figures[k] for k in ("macro3", "primary_accuracy", "intensity_qwk")})
    return metrics


def readings_by_row(logits: dict[str, NDArray[Any]], manifest: Manifest) -> tuple[Table, list[Reading]]:
    """Calibrated probabilities of many texts by head, and each text's reading, by the code that serves."""
    probabilities = probabilities_by_row(logits, manifest)
    readings = [
        read({k: v[i] for k, v in probabilities.items()}, manifest, foreignness(embedding, manifest))
        for i, embedding in enumerate(logits[EMBEDDING])
    ]
    return probabilities, readings


def _classifier(run: Path, manifest: Manifest) -> Classifier:
    """The run's graph as it will be served."""
    shutil.copy(run / "checkpoint" / "tokenizer.json", run / "graph" / "tokenizer.json")
    return Classifier(Bundle(run / "graph", manifest, ""))


def _foreign(run: Path, manifest: Manifest, examples: list[Foreign]) -> dict[str, dict[str, Any]]:
    """By reason: examples that nothing was fitted on, and the share of them on which the service abstains."""
    kept = [example for example in examples if example.held_out]
    logits = read_texts(run, [example.text for example in kept], "read foreign")
    _, readings = readings_by_row(logits, manifest)
    silent = [e.screened or r.abstain is not None for e, r in zip(kept, readings, strict=True)]
    out = {}
    for reason in (*sorted({example.reason for example in kept}), "all"):
        inside = [hit for hit, example in zip(silent, kept, strict=True) if reason in (example.reason, "all")]
        out[reason] = {"rows": len(inside), "abstained": round(float(np.mean(inside)), 4)}
    return out


def gold_table(data: Dataset) -> Table:
    """Gold labels of a split as arrays (rows, labels); rows without a head hold -1."""
    table = {name: np.array(data[name]) for name in ("types", "demands", "risks")}
    table["primary"] = np.array(data["primary"])
    # Soft targets sum to the mean vote, hard ones to the level.
    table["intensity"] = np.array(data["intensity"])[:, 0].sum(axis=1).round().astype(int)
    table["emotions"] = np.floor(np.array(data["emotions"]).sum(axis=2) + 0.5).astype(int)
    return table


def found_table(readings: list[Reading]) -> Table:
    """Decisions of the served code as arrays in the same shape as the gold ones; a silent reading finds nothing."""
    calm = Level(level=0, score=0)
    emotions = [[r.emotions.get(n, calm) for n in names(EMOTIONS)] for r in readings]
    return {
        "types": np.array([[n in {s.name for s in r.types if s.selected} for n in names(TYPES)] for r in readings]),
        "primary": np.array([PRIMARY.index(r.primary_type) if r.primary_type else -1 for r in readings]),
        "demands": np.array([[n in {s.name for s in r.demands} for n in names(DEMANDS)] for r in readings]),
        "risks": np.array([[n in {s.name for s in r.risks} for n in names(RISKS)] for r in readings]),
        "intensity": np.array([r.intensity.level if r.intensity else 0 for r in readings]),
        "emotions": np.array([[emotion.score for emotion in row] for row in emotions]),
        "emotion_levels": np.array([[emotion.level for emotion in row] for row in emotions]),
        "abstained": np.array([r.abstain is not None for r in readings]),
    }


def main_figures(gold: Table, found: Table, rows: NDArray[np.int64]) -> dict[str, Figure]:
    """The main figures of a decision table on ``rows``, each as a function of which of them are taken."""
    gold, found = ({name: values[rows] for name, values in table.items()} for table in (gold, found))
    return {
        "macro3": lambda i: float(np.mean([f_beta(gold["types"][i, k] == 1, found["types"][i, k]) for k in range(3)])),
        "primary_accuracy": lambda i: float((gold["primary"][i] == found["primary"][i]).mean()),
        "intensity_qwk": lambda i: quadratic_weighted_kappa(gold["intensity"][i], found["intensity"][i]),
        "demands_micro_f1": lambda i: f_beta(gold["demands"][i].ravel() == 1, found["demands"][i].ravel()),
        "risks_micro_f1": lambda i: f_beta(gold["risks"][i].ravel() == 1, found["risks"][i].ravel()),
    }


def complaint_figures(gold: Table, found: Table, rows: NDArray[np.int64]) -> dict[str, Any]:
    """All figures of one decision table on complaint rows, the main ones with bootstrap 95 % intervals."""
    figures: dict[str, Any] = {"rows": len(rows)}
    for name, figure in main_figures(gold, found, rows).items():
        figures[name] = round(figure(np.arange(len(rows))), 4)
        figures[f"{name}_ci95"] = bootstrap_interval(len(rows), figure)
    for head in HEADS:
        if head.kind == "binary":
            figures[head.name] = {
                label.name: precision_recall_f1(gold[head.name][rows, k] == 1, found[head.name][rows, k])
                for k, label in enumerate(head.labels)
            }
    for k, name in enumerate(names(TYPES)):
        figures["types"][name]["f1_ci95"] = bootstrap_interval(
            len(rows),
            lambda i, k=k: f_beta(gold["types"][rows[i], k] == 1, found["types"][rows[i], k]),  # type: ignore[misc]
        )
    if "emotions" in found:
        figures["emotions_pearson"] = _pearson_by_emotion(gold, found, rows)
    return figures


def _pearson_by_emotion(gold: Table, found: Table, rows: NDArray[np.int64]) -> dict[str, float]:
    by_name = {
        name: round(pearson(gold["emotions"][rows, k], found["emotions"][rows, k]), 4) if len(rows) else 0.0
        for k, name in enumerate(names(EMOTIONS))
    }
    return {**by_name, "mean": round(float(np.mean(list(by_name.values()))), 4)}


def _slices(dev: Dataset, found: Table, rows: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """On hard rows: how often the label a slice is about was found, which in a ``near`` slice is a false alarm."""
    slices = np.array(dev["slice"])
    marks = {
        "illicit": found["types"][:, 3],
        "refusal": found["types"][:, 2],
        "crisis": _crisis(found),
        "safety": found["risks"][:, names(RISKS).index("safety")],
    }
    out: dict[str, dict[str, Any]] = {}
    for name, members in SLICES.items():
        inside = rows[np.isin(slices[rows], members)]
        hits = marks[name.removesuffix("_near")][inside]
        out[name] = {"rows": len(inside), "found": 0.0, "found_ci95": (0.0, 1.0)}
        if len(inside):
            interval = bootstrap_interval(len(inside), lambda i, hits=hits: float(hits[i].mean()))  # type: ignore[misc]
            out[name] |= {"found": round(float(hits.mean()), 4), "found_ci95": interval}
    return out


def _crisis(table: Table) -> NDArray[np.bool_]:
    crisis = [k for k, name in enumerate(names(RISKS)) if name in CRISIS_RISKS]
    return np.asarray((table["risks"][:, crisis] == 1).any(axis=1))


def _rate(found: NDArray[Any], among: NDArray[np.bool_]) -> float:
    return round(float(found[among].mean()), 4) if among.any() else 0.0


def _where(dev: Dataset, wanted: Any) -> NDArray[np.int64]:
    return np.array([i for i, row in enumerate(dev) if wanted(row)], dtype=np.int64)
