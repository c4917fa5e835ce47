"""Labelled texts in, training rows out: schema checks, splits that share no near-duplicate, one row format.

``build_corpus`` reads every ``*.jsonl`` below a data folder (``unlabelled/`` aside). What a row is follows from its
fields, not from its file: complaints carry ``types``, BRIGHTER rows ``votes``, SMP2020 rows ``labels.emotion``. Its
split follows from the file's name (``…dev…``, ``…train…``); files that name neither are split by a hash of the text.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from datasets import Dataset, DatasetDict
from datasketch import MinHash, MinHashLSH
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.progress import track
from triage.labels import Grade, Labels
from triage.redaction import redact
from triage.taxonomy import DEMANDS, EMOTIONS, INTENSITY_LEVELS, RISKS, TYPES, names
from triage.text import clean
from triage.ticket import MAX_TEXT_CHARS

log = structlog.get_logger()

MISSING = -1.0
"""Written for every label a row says nothing about; such heads get no gradient from the row."""
MOODS = ("happy", "angry", "sad", "fear", "surprise", "neutral")
OURS = "our labels"
SPLITS = ("train", "calibration", "dev")
LICENCES = {"brighter": "CC BY 4.0", "fenzhen-samples": "Apache-2.0", "authored": "written for this project"}
"""Licences by source name, where a row states none itself. Everything else is carried as ``none stated``."""

HARD_SLICES = frozenset(
    {
        *("illicit", "illicit_posts", "illicit_near", "illicit_near_posts"),
        *("refusal", "refusal_near", "crisis", "crisis_near", "self_harm", "violence", "near"),
        *("media", "media_legal", "group", "safety", "vulnerable"),
    }
)
"""Slices of texts written to be hard. Their labels are far more frequent than in life, so they are kept apart."""


class CorpusError(ValueError):
    """A row that cannot be learnt from; the message names file, line, what was found and what was expected."""


class ComplaintRow(Labels):
    """A labelled complaint under the guideline; see ``data/GUIDELINE.md``."""

    id: str
    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)
    source: str
    licence: str | None = None
    slice: str | None = None


class BrighterRow(BaseModel):
    """A SemEval-2025 Task 11 row: gold intensities and the annotators' votes per emotion."""

    model_config = ConfigDict(extra="ignore")

    id: str
    text: str = Field(min_length=1)
    emotions: dict[str, Grade]
    votes: dict[str, Any]


class MoodRow(BaseModel):
    """An SMP2020 row: one of six moods."""

    model_config = ConfigDict(extra="ignore")

    id: str
    text: str  # the published corpus has rows with no text; they are passed over
    labels: dict[str, Any]


def build_corpus(
    data: Path,
    out: Path,
    *,
    labels: Path | None = None,
    calibration: float = 0.08,
    mood_rows: int = 6000,
    seed: int = 7,
) -> DatasetDict:
    """Return and save under ``out`` the splits train, calibration and dev of the rows below ``data``.

    ``labels`` is a folder with labels of ours beyond those of ``data``, see ``joined_rows``. ``calibration``
    is the share of training complaints held back for temperatures and thresholds; ``mood_rows`` caps the mood corpus,
    which is three times larger than all complaints together. Raises CorpusError on the first bad row.
    """
    rows = [row for path in files_below(data) for _, row in labelled_rows(path)]
    rows += joined_rows(data, labels) if labels else []
    if not rows:
        raise CorpusError(f"{data}: expected *.jsonl files with labelled rows, found none")
    rows = _cap_moods(rows, mood_rows, seed)
    _split(rows, calibration, seed)
    dropped = _separate_near_duplicates(rows)
    kept = [row for row in rows if row["split"] in SPLITS]
    corpus = DatasetDict({split: Dataset.from_list([row for row in kept if row["split"] == split]) for split in SPLITS})
    corpus.save_to_disk(str(out))
    report = {
        "rows": {split: len(corpus[split]) for split in SPLITS},
        "dropped_near_duplicates": dropped,
        "sources": _sources(kept),
        "sha256": hashlib.sha256("".join(sorted(r["split"] + r["id"] + r["text"] for r in kept)).encode()).hexdigest(),
        "options": {"calibration": calibration, "mood_rows": mood_rows, "seed": seed},
    }
    (out / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    log.info("corpus", **{k: report[k] for k in ("rows", "dropped_near_duplicates")}, folder=str(out))
    return corpus


def prepared_text(text: str) -> str:
    """The text as the served model will see it: cleaned and masked by the same code."""
    return redact(clean(text))[0].text


def files_below(data: Path) -> Iterator[Path]:
    """The files with labelled rows below a data folder."""
    for path in sorted(data.rglob("*.jsonl")):
        if not {"unlabelled", "metamorphic", "labels"} & set(path.parts):
            yield path


def labelled_rows(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each row of a file that can be learnt from, as it stands there and as a training row. Raises CorpusError."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            row = _row(raw)
        except (ValidationError, ValueError) as error:
            raise CorpusError(f"{path}:{number}: {_first_message(error)}") from error
        if row is not None and row["text"]:
            yield raw, {**row, "file": path.name}


def joined_rows(data: Path, labels: Path) -> list[dict[str, Any]]:
    """Training rows of the labels below ``labels``: with a text of our own, or naming one of the pool by its id.

    Texts of other people's corpora are not ours to pass on, what we say about them is. Labels whose text is not below
    ``data`` are counted in the log and left out. Raises CorpusError.
    """
    given = {row["id"]: row for path in sorted(labels.rglob("*.jsonl")) for row in _json_rows(path)}
    texts = {
        row["id"]: row
        for path in sorted(data.rglob("*.jsonl"))
        if "unlabelled" in path.parts
        for row in _json_rows(path)
        if row.get("id") in given
    }
    rows = []
    for id_, row in given.items():
        if "text" in row or id_ in texts:
            try:
                rows.append({**_complaint(ComplaintRow.model_validate(texts.get(id_, {}) | row)), "file": OURS})
            except ValidationError as error:
                raise CorpusError(f"{labels}: id {id_!r}: {_first_message(error)}") from error
    log.info("labels", joined=len(rows), without_text=len(given) - len(rows), folder=str(labels))
    return [row for row in rows if row["text"]]


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CorpusError(f"{path}:{number}: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise CorpusError(f"{path}:{number}: id: expected a JSON object with an id, found {line[:60]!r}")
        yield row


def _first_message(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'row'}: {first['msg']}"
    return str(error)


def _row(raw: Any) -> dict[str, Any] | None:
    """The training row of one JSON object, or None for a corpus this recipe does not learn from."""
    if not isinstance(raw, dict):
        raise ValueError(f"expected a JSON object, found {type(raw).__name__}")
    if "votes" in raw:
        return _brighter(BrighterRow.model_validate(raw))
    if "labels" in raw:
        return _mood(MoodRow.model_validate(raw)) if raw.get("text") and "emotion" in raw["labels"] else None
    if "types" in raw or "primary" in raw:
        return _complaint(ComplaintRow.model_validate(raw))
    if "text" in raw and {"reason", "ticket_id"} & raw.keys():
        return None  # demo requests and inputs to abstain on carry no labels
    raise ValueError(f"expected a labelled row (types, votes or labels), found the fields {sorted(raw)}")


def _blank(id_: str, text: str, source: str, licence: str | None) -> dict[str, Any]:
    return {
        "id": id_,
        "text": prepared_text(text),
        "source": source,
        "licence": licence or LICENCES.get(source, "none stated"),
        "slice": "",
        "types": [MISSING] * len(TYPES),
        "primary": -1,
        "intensity": [[MISSING] * 3],
        "emotions": [[MISSING] * 3 for _ in EMOTIONS],
        "demands": [MISSING] * len(DEMANDS),
        "risks": [MISSING] * len(RISKS),
        "mood": -1,
    }


def _multi_hot(chosen: list[str], known: tuple[str, ...]) -> list[float]:
    return [float(name in chosen) for name in known]


def _cumulative(grade: int) -> list[float]:
    return [float(grade >= level) for level in range(1, len(INTENSITY_LEVELS))]


def _complaint(row: ComplaintRow) -> dict[str, Any]:
    out = _blank(row.id, row.text, row.source, row.licence)
    out["slice"] = row.slice if row.slice in HARD_SLICES else ""
    out["types"] = _multi_hot(row.types, names(TYPES))
    out["primary"] = [*names(TYPES), "other"].index(row.primary)
    out["intensity"] = [_cumulative(row.intensity)]
    out["emotions"] = [_cumulative(row.emotions.get(name, 0)) for name in names(EMOTIONS)]
    out["demands"] = _multi_hot(row.demands, names(DEMANDS))
    out["risks"] = _multi_hot(row.risks, names(RISKS))
    return out


def _brighter(row: BrighterRow) -> dict[str, Any]:
    """Soft targets: the share of annotators at or above each level, whose sum is the mean vote."""
    out = _blank(row.id, row.text, "brighter", None)
    votes = row.votes.get("annotators", {})
    for index, name in enumerate(names(EMOTIONS)):
        given = votes.get(name) or [row.emotions.get(name, 0)]
        out["emotions"][index] = [sum(v >= level for v in given) / len(given) for level in (1, 2, 3)]
    return out


def _mood(row: MoodRow) -> dict[str, Any]:
    mood = row.labels["emotion"]
    if mood not in MOODS:
        raise ValueError(f"labels.emotion: {mood!r}, expected one of {MOODS}")
    return {**_blank(row.id, row.text, "smp2020", None), "mood": MOODS.index(mood)}


def _digest(text: str, seed: int) -> float:
    """A number in [0, 1) that depends on the text alone, so that a row never changes sides between runs."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") / 2**64


def _cap_moods(rows: list[dict[str, Any]], cap: int, seed: int) -> list[dict[str, Any]]:
    moods = sorted((r for r in rows if r["mood"] >= 0), key=lambda r: _digest(r["text"], seed))
    dropped = {id(row) for row in moods[cap:]}
    return [row for row in rows if id(row) not in dropped]


def _split(rows: list[dict[str, Any]], calibration: float, seed: int) -> None:
    for row in rows:
        share = _digest(row["text"], seed)
        if row["file"] == OURS:
            # Chosen or written because they are hard: thresholds fitted on them would fit no ordinary day.
            row["split"] = "train"
        elif "dev" in row["file"]:
            row["split"] = "dev"
        elif "train" in row["file"]:
            row["split"] = "calibration" if row["primary"] >= 0 and share < calibration else "train"
        else:
            row["split"] = "dev" if share < 0.15 else "calibration" if share < 0.30 else "train"


def _signature(text: str) -> MinHash:
    grams = {text[i : i + 3] for i in range(max(1, len(text) - 2))}
    signature = MinHash(num_perm=64, seed=1)
    signature.update_batch([gram.encode() for gram in grams])
    return signature


def _separate_near_duplicates(rows: list[dict[str, Any]], threshold: float = 0.8) -> int:
    """Drop rows whose near-duplicate stands in a split held out from them; return how many were dropped.

    Dev rows win over calibration rows, calibration rows over training rows: what is measured on is never learnt from.
    """
    order = {"dev": 0, "calibration": 1, "train": 2}
    indices: dict[str, MinHashLSH] = defaultdict(lambda: MinHashLSH(threshold=threshold, num_perm=64))
    dropped = 0
    for number, row in enumerate(track(sorted(rows, key=lambda r: order[r["split"]]), "near-duplicates")):
        signature = _signature(row["text"])
        if any(indices[held].query(signature) for held in order if order[held] < order[row["split"]]):
            row["split"] = "dropped"
            dropped += 1
        elif row["split"] != "train":
            indices[row["split"]].insert(str(number), signature)
    return dropped


def _sources(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter((row["source"], row["licence"]) for row in rows)
    return [{"source": s, "licence": licence, "rows": n} for (s, licence), n in sorted(counts.items())]
