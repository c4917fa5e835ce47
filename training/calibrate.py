"""Calibration of the graph that will be served: temperatures, biases, thresholds, and when to abstain.

Everything is fitted on the calibration split, read through the same int8 graph, windows and code as in service, so the
dev split stays unseen until it is measured.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from datasets import Dataset, DatasetDict, concatenate_datasets
from numpy.typing import NDArray
from scipy.optimize import minimize
from tokenizers import Tokenizer

from training.domain import fit_domain, read_foreign
from training.graph import build_graph
from training.metrics import quadratic_weighted_kappa
from training.network import load_checkpoint
from training.progress import track
from triage.bundle import Calibration, HeadSpec, Limits, Manifest
from triage.classifier import calibrate as probabilities_of
from triage.classifier import combine
from triage.model import Array, Model
from triage.reading import confidence
from triage.taxonomy import CRISIS_RISKS, HEADS, TAXONOMY_VERSION, Head

log = structlog.get_logger()

LIMITS = Limits(max_tokens=128, window_overlap=32)
"""Windows as long as the texts that the network is trained on: in longer ones a single cry for help is drowned."""
HARD_ROW_WEIGHT = 0.25
"""Rows of a hard slice count this much: they are far more frequent in the corpus than in life."""
GRID = np.round(np.arange(0.05, 0.91, 0.01), 2)
FEWEST_POSITIVES = 8
"""With fewer texts at a level than this the best cutpoint for it is chance; it stays where the odds are even."""
BETA = {"refusal": 1.25, "demands": 1.25, "risks": 1.25}
"""By label or head: a missed refusal is closed without the compliance review, a missed demand is never answered and a
missed risk goes to the wrong desk, while a false one is looked at once too often."""
CRISIS_BETA = 3.0
"""Recall counts so much more than precision where a life may be at stake."""
ILLICIT_FALSE_ALARMS = 0.0075
"""The share of ordinary complaints that may be called illicit. Suspecting a customer wrongly is our worst error."""
ABSTAIN_SHARE = 0.005
EMBEDDING = "sentence_embedding"
DOMAIN_ROWS = 1500
SPARING_TEXTS = 100

Logits = dict[str, Array]


def calibrate(corpus: DatasetDict, run: Path, foreign: Path) -> Manifest:
    """Build the graph of a finished run, fit its calibration and write the draft manifest ``run/draft.json``.

    ``foreign`` has examples of what is no customer's message at all, see ``training.domain``.
    """
    data = corpus["calibration"]
    if not len(data):
        raise ValueError("calibration: the split is empty; build the corpus with more rows or a larger --calibration")
    parity = _graph(corpus, run)
    logits = read_logits(run, data, "calibration")
    weight = np.array([1.0 if not name else HARD_ROW_WEIGHT for name in data["slice"]])
    targets = {head.name: np.array(data[head.name], dtype=np.float64) for head in HEADS}
    manifest = Manifest(
        format=1,
        version=f"{datetime.now(UTC):%Y.%m.%d}-{run.name}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        taxonomy=TAXONOMY_VERSION,
        limits=LIMITS,
        heads=[HeadSpec(name=h.name, kind=h.kind, labels=[label.name for label in h.labels]) for h in HEADS],
        calibration={h.name: _fit(h, logits[h.name].astype(np.float64), targets[h.name], weight) for h in HEADS},
        thresholds={},
        cutpoints={},
        min_confidence=0.0,
        files={},
        corpus={},
        recipe=_recipe(run),
        metrics={},
        parity=parity,
    )
    probabilities = probabilities_by_row(logits, manifest)
    ordinary = np.array([not name for name in data["slice"]])
    manifest.thresholds = {
        h.name: _thresholds(h, probabilities[h.name], targets[h.name], weight, ordinary)
        for h in HEADS
        if h.kind == "binary"
    }
    manifest.cutpoints = {
        h.name: {
            label.name: _cutpoints(probabilities[h.name][:, i], targets[h.name][:, i])
            for i, label in enumerate(h.labels)
        }
        for h in HEADS
        if h.kind == "ordinal"
    }
    strangers = [example.text for example in read_foreign(foreign) if not (example.screened or example.held_out)]
    manifest.domain = fit_domain(
        read_logits(run, _some_complaints(corpus["train"]), "train")[EMBEDDING],
        read_texts(run, strangers, "read foreign")[EMBEDDING],
        logits[EMBEDDING],
    )
    manifest.min_confidence = _least_confidence(probabilities, manifest, ordinary)
    (run / "draft.json").write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    log.info("calibrate", rows=len(data), thresholds=manifest.thresholds, min_confidence=manifest.min_confidence)
    return manifest


def _recipe(run: Path) -> dict[str, Any]:
    """The run's recipe as a bundle carries it, with those of the runs that its encoder or its start come from.

    Of a folder on this machine only the last two names are kept.
    """
    return _with_origins(json.loads((run / "recipe.json").read_text(encoding="utf-8")))


def _with_origins(recipe: dict[str, Any]) -> dict[str, Any]:
    told = dict(recipe)
    for field in ("encoder", "start"):
        if not (source := recipe.get(field)):
            continue
        if (before := Path(source).parent / "recipe.json").exists():
            told[f"{field}_recipe"] = _recipe(before.parent)
        if Path(source).is_absolute():
            told[field] = "/".join(Path(source).parts[-2:])
    if "averaged" in recipe:
        told["averaged"] = [_with_origins(other) for other in recipe["averaged"]]
    return told


def _some_complaints(train: Dataset) -> Dataset:
    """Complaints of the training split, as many as a boundary around them needs: half as people post them, half
    carefully written ones, or whatever is well written would pass for foreign."""
    complaints = train.filter(lambda primary: primary >= 0, input_columns="primary")
    sides = (complaints.filter(lambda name, hard=hard: bool(name) == hard, input_columns="slice") for hard in (0, 1))
    return concatenate_datasets([side.shuffle(seed=7).select(range(min(DOMAIN_ROWS, len(side)))) for side in sides])


def read_logits(run: Path, data: Dataset, split: str) -> Logits:
    """What ``read_texts`` gives for a split; kept beside the run and reused."""
    path = run / f"logits-{split}.npz"
    if path.exists():
        with np.load(path) as kept:
            if list(kept["ids"]) == list(data["id"]):
                return {name: kept[name] for name in kept.files if name != "ids"}
    logits = read_texts(run, list(data["text"]), f"read {split}")
    np.savez(path, ids=np.array(data["id"]), **logits)  # type: ignore[arg-type]
    return logits


def read_texts(run: Path, texts: list[str], what: str, graph: str = "model.onnx") -> Logits:
    """A graph of the run on texts: raw logits by head, (rows, labels[, 3]), and mean token states (rows, width)."""
    model = Model(
        run / "graph" / graph,
        run / "checkpoint" / "tokenizer.json",
        max_tokens=LIMITS.max_tokens,
        overlap=LIMITS.window_overlap,
    )
    rows = [combine([model.run(window) for window in model.windows(text)])[0] for text in track(texts, what)]
    return {name: np.stack([row[name] for row in rows]) for name in (*(head.name for head in HEADS), EMBEDDING)}


def probabilities_by_row(logits: Logits, manifest: Manifest) -> Logits:
    """Calibrated probabilities of many texts, computed row by row by the code that serves."""
    rows = [
        probabilities_of({name: value[i] for name, value in logits.items()}, manifest)
        for i in range(len(logits["types"]))
    ]
    return {head.name: np.stack([row[head.name] for row in rows]) for head in HEADS}


def _graph(corpus: DatasetDict, run: Path) -> dict[str, Any]:
    path = run / "graph" / "parity.json"
    if not path.exists():
        tokenizer = Tokenizer.from_file(str(run / "checkpoint" / "tokenizer.json"))
        seen = {id_ for encoding in tokenizer.encode_batch(list(corpus["train"]["text"])) for id_ in encoding.ids}
        network = load_checkpoint(run / "checkpoint")
        some = list(corpus["calibration"]["text"])[:SPARING_TEXTS]
        parity = build_graph(network, run / "checkpoint" / "tokenizer.json", run / "graph", seen, some)
        path.write_text(json.dumps(parity, indent=1), encoding="utf-8")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _fit(head: Head, logits: NDArray[Any], targets: NDArray[Any], weight: NDArray[Any]) -> Calibration:
    """Temperature and biases of least negative log-likelihood; ordinal heads learnt thresholds and need no bias."""
    count = len(head.labels)

    def loss(parameters: NDArray[Any]) -> float:
        bias = parameters[1:] if head.kind != "ordinal" else np.zeros(1)
        shifted = (logits + (bias if head.kind != "ordinal" else 0.0)) / np.exp(parameters[0])
        if head.kind == "choice":
            log_p = shifted - np.logaddexp.reduce(shifted, axis=1, keepdims=True)
            nll = -log_p[np.arange(len(targets)), targets.astype(int)]
        else:
            nll = (np.logaddexp(0, shifted) - targets * shifted).reshape(len(targets), -1).sum(axis=1)
        return float((nll * weight).sum() / weight.sum() + 1e-3 * (bias**2).sum())

    found = minimize(loss, np.zeros(1 + (count if head.kind != "ordinal" else 0)), method="L-BFGS-B")
    bias = found.x[1:] if head.kind != "ordinal" else np.zeros(count)
    return Calibration(temperature=round(float(np.exp(found.x[0])), 5), bias=[round(float(b), 5) for b in bias])


def _thresholds(
    head: Head, probabilities: Array, targets: NDArray[Any], weight: NDArray[Any], ordinary: NDArray[np.bool_]
) -> dict[str, float]:
    """The probability from which a label counts: best expected F-beta (``BETA``), for illicit with few false alarms.

    What is expected follows from the calibrated probabilities alone. The F1 that was counted on a few dozen positives
    has its peak by chance: it cost three points of macro-F1 on dev.
    """
    thresholds = {}
    for index, label in enumerate(head.labels):
        p = probabilities[:, index]
        beta = CRISIS_BETA if label.name in CRISIS_RISKS else BETA.get(label.name, BETA.get(head.name, 1.0))
        own = max(GRID, key=lambda t, q=p, b=beta: _expected_f(q, float(t), weight, b))  # type: ignore[misc]
        if label.name == "illicit":
            innocent = np.sort(p[ordinary & (targets[:, index] == 0)])
            own = max(own, float(innocent[int(np.ceil(len(innocent) * (1 - ILLICIT_FALSE_ALARMS))) - 1]) + 1e-4)
        thresholds[label.name] = round(float(own), 4)
    return thresholds


def _expected_f(probabilities: Array, threshold: float, weight: NDArray[Any], beta: float) -> float:
    """F-beta in expectation, if every text has the label with its probability."""
    found = probabilities >= threshold
    right = float((weight * probabilities * found).sum())
    return (1 + beta**2) * right / max(1e-9, float((weight * (found + beta**2 * probabilities)).sum()))


def _best(grid: NDArray[Any], score: Any) -> float:
    """The middle of the grid values around the best smoothed score: a single lucky peak is no threshold."""
    scores = np.array([score(t) for t in grid])
    smoothed = np.convolve(np.pad(scores, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    return float(grid[int(smoothed.argmax())])


def _cutpoints(probabilities: Array, targets: NDArray[Any]) -> list[float]:
    """Where P(level >= k) makes level k, by coordinate search for the best quadratic-weighted kappa."""
    gold = targets.sum(axis=1).astype(int)
    cutpoints = [0.5, 0.5, 0.5]
    grid = np.round(np.arange(0.15, 0.86, 0.02), 2)
    for _ in range(2):
        for k in range(3):
            if (gold > k).sum() < FEWEST_POSITIVES:
                continue

            def score(t: float, k: int = k) -> float:
                trial = [*cutpoints[:k], t, *cutpoints[k + 1 :]]
                return quadratic_weighted_kappa(gold, levels(probabilities, trial))

            cutpoints[k] = _best(grid, score)
    return cutpoints


def levels(at_least: Array, cutpoints: list[float]) -> NDArray[np.int64]:
    """Levels of many rows from P(level >= 1..3), (rows, 3)."""
    return np.asarray(np.cumprod(at_least >= np.array(cutpoints), axis=1).sum(axis=1), dtype=np.int64)


def _least_confidence(probabilities: Logits, manifest: Manifest, ordinary: NDArray[np.bool_]) -> float:
    """The confidence below which the least certain percent of ordinary complaints lies."""
    certain = [
        confidence({name: value[i] for name, value in probabilities.items()}, manifest)
        for i in np.flatnonzero(ordinary)
    ]
    return round(float(np.quantile(certain, ABSTAIN_SHARE)), 4)
