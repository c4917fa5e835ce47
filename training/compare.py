"""Champion against challenger: two bundles decide the same labelled complaints, and where they part is written down.

Both decide as they are served, from the raw text to the tier. A tier has no gold label of its own: the right one is
what the routing policy makes of the gold labels. Texts are written masked, and belong where the labelled data belong.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from datasets import Dataset
from numpy.typing import NDArray

from training.compare_page import render
from training.corpus import CorpusError, files_below, labelled_rows
from training.evaluate import Table, found_table, gold_table, main_figures
from training.metrics import paired_bootstrap, precision_recall_f1
from training.progress import track
from triage import load_pipeline
from triage.bundle import Bundle, open_bundle, read_aliases
from triage.decision import Decision
from triage.reading import PRIMARY, Reading, confidence
from triage.routing import Findings, Router, load_router
from triage.taxonomy import DEMANDS, HEADS, INTENSITY_LEVELS, RISKS, TYPES, Label, names
from triage.ticket import Ticket

log = structlog.get_logger()

ALIASED = ("champion", "challenger")
FIELDS = ("types", "primary", "intensity", "tier")
"""What two decisions are held against each other in, text by text."""
FEWEST_ROWS = 10
"""Figures of a slice with fewer rows than this say nothing."""
NO_SLICE = "(no slice)"
LABELS = {head.name: names(head.labels) for head in HEADS} | {
    "intensity": tuple(str(level) for level in range(len(INTENSITY_LEVELS)))
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """A labelled complaint: the ticket as it would be posted, and its gold labels as a training row."""

    ticket: Ticket
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """What one bundle decided, text by text, and how certain it was of each primary type, in [0, 1]."""

    decisions: list[Decision]
    confidence: list[float]

    def table(self) -> Table:
        """The decisions as arrays in the shape of the gold table."""
        parts = ("types", "primary_type", "intensity", "emotions", "demands", "risks", "abstain_reason")
        return found_table([Reading(*(getattr(decision, part) for part in parts)) for decision in self.decisions])


def compare(models: Path, a: str, b: str, data: Path, out: Path) -> dict[str, Any]:
    """The comparison of two bundles on the complaints of a file or folder, written as JSON and as a page under ``out``.

    ``a`` and ``b`` are versions in ``models`` or the aliases 'champion' and 'challenger'. Raises BundleError for a
    bundle that cannot be served, CorpusError for a bad row, ValueError where there is nothing to compare.
    """
    bundles = [open_bundle(models / _version(models, name)) for name in (a, b)]
    if bundles[0].folder == bundles[1].folder:
        raise ValueError(f"A and B are both {bundles[0].folder}; expected two different versions")
    complaints = read_complaints(data)
    of_a, of_b = (_decide(models, bundle, complaints) for bundle in bundles)
    router = load_router()
    report = {
        "a": bundles[0].receipt_version,
        "b": bundles[1].receipt_version,
        "policy": router.version,
        "data": data.as_posix(),
        **_figures(complaints, of_a, of_b),
        "differences": _differences(complaints, of_a, of_b, router),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.json").write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (out / "compare.html").write_text(render(report), encoding="utf-8")
    log.info("compare", rows=report["rows"], **{name: f["difference"] for name, f in report["main"].items()})
    return report


def read_complaints(data: Path) -> list[Complaint]:
    """The labelled complaints of a file or folder, with the slices as the file names them.

    Rows without complaint labels are passed over. Raises CorpusError on a bad row and where no complaint is left.
    """
    complaints = [
        Complaint(Ticket(text=raw["text"]), {**row, "slice": raw.get("slice") or NO_SLICE})
        for path in ([data] if data.is_file() else files_below(data))
        for raw, row in labelled_rows(path)
        if row["primary"] >= 0
    ]
    if not complaints:
        raise CorpusError(f"{data}: expected complaints with types, primary, intensity … in *.jsonl, found none")
    return complaints


def _version(models: Path, name: str) -> str:
    if name not in ALIASED:
        return name
    version = getattr(read_aliases(models), name)
    if version is None:
        raise ValueError(f"{models}: names no {name}; give a version")
    return str(version)


def _decide(models: Path, bundle: Bundle, complaints: list[Complaint]) -> Side:
    pipeline = load_pipeline(models, bundle=bundle.folder.name)
    side = Side([], [])
    for complaint in track(complaints, f"decide with {bundle.folder.name}"):
        prepared = pipeline.prepare(complaint.ticket)
        prediction = pipeline.predict(prepared)
        side.decisions.append(pipeline.decide(prepared, prediction))
        side.confidence.append(confidence(prediction.probabilities, bundle.manifest) if prediction else 0.0)
    return side


def _figures(complaints: list[Complaint], a: Side, b: Side) -> dict[str, Any]:
    gold, of_a, of_b = gold_table(Dataset.from_list([c.row for c in complaints])), a.table(), b.table()
    slices = np.array([c.row["slice"] for c in complaints])
    members = {name: np.flatnonzero(slices == name) for name in sorted(set(slices.tolist()))}
    return {
        "rows": len(complaints),
        "abstained": {"a": int(of_a["abstained"].sum()), "b": int(of_b["abstained"].sum())},
        "main": _main(gold, of_a, of_b, np.arange(len(complaints))),
        "labels": _labels(gold, of_a, of_b),
        "slices": {
            name: {"rows": len(rows), "main": _main(gold, of_a, of_b, rows)}
            for name, rows in members.items()
            if len(rows) >= FEWEST_ROWS
        },
    }


def _main(gold: Table, a: Table, b: Table, rows: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    out = {}
    of_a, of_b = main_figures(gold, a, rows), main_figures(gold, b, rows)
    everything = np.arange(len(rows))
    for name in of_a:
        one, two = of_a[name](everything), of_b[name](everything)
        interval, not_worse = paired_bootstrap(len(rows), of_a[name], of_b[name])
        out[name] = {
            "a": round(one, 4),
            "b": round(two, 4),
            "difference": round(two - one, 4),
            "difference_ci95": interval,
            "b_not_worse": not_worse,
        }
    return out


def _labels(gold: Table, a: Table, b: Table) -> dict[str, dict[str, dict[str, Any]]]:
    """Precision, recall and F1 by head and label; intensity is taken level by level, an emotion counts from level 1."""
    marks = [_marks(table) for table in (gold, a, b)]
    return {
        head: {label: _label(*(mark[head][:, k] for mark in marks)) for k, label in enumerate(labels)}
        for head, labels in LABELS.items()
    }


def _label(gold: NDArray[np.bool_], a: NDArray[np.bool_], b: NDArray[np.bool_]) -> dict[str, Any]:
    of_a, of_b = precision_recall_f1(gold, a), precision_recall_f1(gold, b)
    difference = {key: round(of_b[key] - of_a[key], 4) for key in ("precision", "recall", "f1")}
    return {"support": of_a.pop("support"), "a": of_a, "b": {key: of_b[key] for key in of_a}, "difference": difference}


def _marks(table: Table) -> dict[str, NDArray[np.bool_]]:
    return {
        **{head: table[head] == 1 for head in ("types", "demands", "risks")},
        "primary": table["primary"][:, None] == np.arange(len(PRIMARY)),
        "intensity": table["intensity"][:, None] == np.arange(len(INTENSITY_LEVELS)),
        "emotions": table.get("emotion_levels", table["emotions"]) >= 1,
    }


def _differences(complaints: list[Complaint], a: Side, b: Side, router: Router) -> dict[str, Any]:
    """The texts the two decide differently, those first that the surer of the two is surest about, and the score."""
    texts = []
    for i, complaint in enumerate(complaints):
        gold, one, two = _right(complaint.row, router), _found(a.decisions[i]), _found(b.decisions[i])
        right = {
            field: "a" if one[field] == gold[field] else "b" if two[field] == gold[field] else "neither"
            for field in FIELDS
            if one[field] != two[field]
        }
        if right:
            sure = {key: round(side.confidence[i], 4) for key, side in (("a", a), ("b", b))}
            texts.append(
                {key: complaint.row[key] for key in ("id", "text", "slice")}
                | {"gold": gold, "a": one, "b": two, "right": right, "verdict": _verdict(right), "confidence": sure}
            )
    texts.sort(key=lambda text: -max(text["confidence"].values()))
    score = {field: Counter(text["right"][field] for text in texts if field in text["right"]) for field in FIELDS}
    return {
        "rows": len(texts),
        "right": {field: {who: score[field][who] for who in ("a", "b", "neither")} for field in FIELDS},
        "texts": texts,
    }


def _verdict(right: dict[str, str]) -> str:
    """Who is right in more of the fields: a, b, 'both' for as many each, 'neither'."""
    count = Counter(right.values())
    if count["a"] == count["b"]:
        return "both" if count["a"] else "neither"
    return "a" if count["a"] > count["b"] else "b"


def _right(row: dict[str, Any], router: Router) -> dict[str, Any]:
    types, primary, intensity = _chosen(row, "types", TYPES), PRIMARY[row["primary"]], int(sum(row["intensity"][0]))
    route = router.route(
        Findings(
            text=row["text"],
            primary_type=primary,
            types=frozenset(types),
            demands=frozenset(_chosen(row, "demands", DEMANDS)),
            risks=frozenset(_chosen(row, "risks", RISKS)),
            intensity=intensity,
            abstain_code=None,
        )
    )
    return {"types": types, "primary": primary, "intensity": intensity, "tier": route.tier}


def _chosen(row: dict[str, Any], head: str, labels: tuple[Label, ...]) -> list[str]:
    return [name for name, target in zip(names(labels), row[head], strict=True) if target == 1]


def _found(decision: Decision) -> dict[str, Any]:
    return {
        "types": [score.name for score in decision.types if score.selected],
        "primary": decision.primary_type,
        "intensity": decision.intensity.level if decision.intensity else 0,
        "tier": decision.route.tier,
    }
