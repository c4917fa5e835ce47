"""The calibrated, evaluated run as a bundle that ``triage`` can open: files first, manifest last."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from datasets import DatasetDict

from training.calibrate import read_logits, read_texts
from training.card import model_card
from training.evaluate import readings_by_row
from training.gate import read_cases, run_gate, served
from training.graph import ParityError, alone_equals_in_company
from training.metrics import quadratic_weighted_kappa
from triage.bundle import MANIFEST, Manifest, sha256_file
from triage.model import Model
from triage.pipeline import findings, load_pipeline, prepare
from triage.routing import load_router
from triage.ticket import Ticket

log = structlog.get_logger()

COMPANY_TEXTS = 200


def export(
    corpus: DatasetDict, corpus_folder: Path, run: Path, models: Path, samples: Path | None, cases: Path
) -> Path:
    """Write ``models/<version>`` from a run that was calibrated and evaluated, and return its folder.

    The folder appears in one step, complete: a run that fails leaves nothing behind. Raises FileExistsError when the
    version is there already (bundles are immutable) and ParityError when a text's score depends on its company.
    """
    manifest = Manifest.model_validate_json((run / "draft.json").read_bytes())
    if not manifest.metrics:
        raise ValueError(f"{run}: not evaluated yet; run evaluate before export")
    target = models / manifest.version
    if target.exists():
        raise FileExistsError(f"{target}: this version exists and bundles never change; calibrate again for a new one")
    staging = models / f".{manifest.version}.partial"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    _copy_files(run, staging)
    manifest.corpus = json.loads((corpus_folder / "report.json").read_text(encoding="utf-8"))
    manifest.parity |= _parity(corpus, run, manifest)
    _seal(staging, manifest)
    gate = run_gate(served(load_pipeline(models, bundle=staging.name)), read_cases(cases))
    (staging / "evaluation" / "gate.json").write_text(json.dumps(gate, ensure_ascii=False, indent=1), encoding="utf-8")
    _seal(staging, manifest)
    (staging / "README.md").write_text(model_card(manifest, gate, _worst_errors(staging, samples)), encoding="utf-8")
    staging.rename(target)
    log.info("export", bundle=str(target), served_megabytes=round(served_bytes(target) / 1e6, 1))
    return target


def served_bytes(bundle: Path) -> int:
    """Size on disk of what a server opens: graph, tokenizer and manifest."""
    return sum((bundle / name).stat().st_size for name in ("model.onnx", "tokenizer.json", MANIFEST))


def _copy_files(run: Path, target: Path) -> None:
    shutil.copy(run / "graph" / "model.onnx", target / "model.onnx")
    tokenizer = json.loads((run / "checkpoint" / "tokenizer.json").read_text(encoding="utf-8"))
    compact = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (target / "tokenizer.json").write_text(compact, encoding="utf-8")
    shutil.copytree(run / "evaluation", target / "evaluation")
    shutil.copytree(run / "checkpoint", target / "checkpoint", ignore=shutil.ignore_patterns("tokenizer.json"))


def _seal(folder: Path, manifest: Manifest) -> None:
    """Hash what is served and what the next fine-tuning starts from; the manifest is written last."""
    manifest.files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (MANIFEST, "README.md")
    }
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _parity(corpus: DatasetDict, run: Path, manifest: Manifest) -> dict[str, Any]:
    """Does a text score the same in company, and does int8 decide as single precision does."""
    dev = corpus["dev"].filter(lambda primary: primary >= 0, input_columns="primary")
    tokenizer = run / "checkpoint" / "tokenizer.json"
    limits = manifest.limits
    int8 = Model(run / "graph" / "model.onnx", tokenizer, max_tokens=limits.max_tokens, overlap=limits.window_overlap)
    company = alone_equals_in_company(int8, list(dev["text"])[:COMPANY_TEXTS])
    if company["identical"] != company["texts"]:
        raise ParityError(f"expected {company['texts']} texts to score alike in company, found {company['identical']}")
    single = read_texts(run, list(dev["text"]), "read fp32", "fp32.onnx")
    kept = [i for i, primary in enumerate(corpus["dev"]["primary"]) if primary >= 0]
    whole = {name: value[kept] for name, value in read_logits(run, corpus["dev"], "dev").items()}
    exact, quantised = (readings_by_row(logits, manifest) for logits in (single, whole))
    readings = (exact[1], quantised[1])
    pairs = list(zip(*readings, strict=True))
    same_types = [[s.selected for s in a.types] == [s.selected for s in b.types] for a, b in pairs]
    router = load_router()
    prepared = [prepare(Ticket(text=text)) for text in dev["text"]]
    tiers = [
        [router.route(findings(ticket, reading)).tier for ticket, reading in zip(prepared, side, strict=True)]
        for side in readings
    ]
    grades = [np.array([r.intensity.level if r.intensity else 0 for r in side]) for side in readings]
    return {
        "alone_equals_in_company": company,
        "int8_against_fp32": {
            "texts": len(pairs),
            "same_types": round(float(np.mean(same_types)), 4),
            "same_primary": round(float(np.mean([a.primary_type == b.primary_type for a, b in pairs])), 4),
            "same_tier": round(float(np.mean([a == b for a, b in zip(*tiers, strict=True)])), 4),
            "same_intensity": round(float((grades[0] == grades[1]).mean()), 4),
            "intensity_qwk": round(quadratic_weighted_kappa(grades[0], grades[1]), 4),
            "max_type_probability_change": round(float(np.abs(exact[0]["types"] - quantised[0]["types"]).max()), 4),
        },
    }


def _worst_errors(folder: Path, samples: Path | None, count: int = 20) -> list[dict[str, Any]]:
    """The surest wrong primary types on texts that may be shown: our own samples."""
    if samples is None:
        return []
    pipeline = load_pipeline(folder.parent, bundle=folder.name)
    errors = []
    for path in sorted(samples.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "primary" not in row:
                continue
            decision = pipeline.triage(row["text"])
            found = decision.primary_type
            if found not in (None, row["primary"]):
                sure = max((s.probability for s in decision.types if s.name == found), default=0.0)
                errors.append({k: row[k] for k in ("id", "text", "primary")} | {"found": found, "probability": sure})
    return sorted(errors, key=lambda e: -e["probability"])[:count]
