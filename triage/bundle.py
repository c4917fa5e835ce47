"""A model bundle on disk: one immutable folder, opened only if every file is the one that was measured.

``models/<version>/`` holds ``model.onnx``, ``tokenizer.json`` and ``manifest.json``; ``models/aliases.json`` says
which version is the champion. The manifest is written last and lists the SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from triage.taxonomy import HEADS, TAXONOMY_VERSION

MANIFEST = "manifest.json"
ALIASES = "aliases.json"


class BundleError(RuntimeError):
    """A bundle that must not be served; the message names the file, what was expected and what was found."""


class HeadSpec(BaseModel):
    """A head of the network as the bundle was trained with it."""

    name: str
    kind: Literal["binary", "choice", "ordinal"]
    labels: list[str]


class Calibration(BaseModel):
    """probability = sigmoid((logit + bias) / temperature), softmax for the choice head; one bias per label."""

    temperature: float = Field(gt=0)
    bias: list[float]


class Limits(BaseModel):
    """What one run of the network reads, in tokens."""

    max_tokens: int = Field(ge=8)
    window_overlap: int = Field(ge=0)


class Domain(BaseModel):
    """Where complaints end: weights · mean token state + bias is above 0 for what is no customer's message."""

    weights: list[float]
    bias: float


class Manifest(BaseModel):
    """Everything needed to serve the bundle and to tell where it comes from."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    version: str
    created: str
    taxonomy: str
    limits: Limits
    heads: list[HeadSpec]
    calibration: dict[str, Calibration]
    thresholds: dict[str, dict[str, float]] = Field(description="Least probability by head and label.")
    cutpoints: dict[str, dict[str, list[float]]] = Field(description="By ordinal head and label: level k from P(>=k).")
    min_confidence: float = Field(ge=0, le=1, description="Abstain when the primary type is less certain than this.")
    domain: Domain | None = None
    files: dict[str, str] = Field(description="SHA-256 by path relative to the bundle.")
    corpus: dict[str, Any]
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    parity: dict[str, Any]


class Alias(BaseModel):
    """One entry of the aliases' history."""

    alias: Literal["champion", "challenger"]
    version: str
    since: str
    despite: str | None = Field(default=None, description="Why it serves though it fails a condition, and which.")


class Aliases(BaseModel):
    """Which version serves and which waits, with how it came to that."""

    champion: str | None = None
    challenger: str | None = None
    history: list[Alias] = []


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str

    @property
    def receipt_version(self) -> str:
        """What a receipt calls this model: the version and a hash over everything in the bundle."""
        return f"{self.manifest.version}+{self.manifest_sha256[:12]}"


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_aliases(models: Path) -> Aliases:
    """The aliases of a models folder. Raises BundleError when there are none or they cannot be read."""
    path = models / ALIASES
    if not path.is_file():
        raise BundleError(f"{path}: missing; expected a models folder with an {ALIASES} that names the champion")
    try:
        return Aliases.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BundleError(f"{path}: {_first(error)}") from error


def open_champion(models: Path) -> Bundle:
    """The verified champion of a models folder. Raises BundleError."""
    champion = read_aliases(models).champion
    if champion is None:
        raise BundleError(f"{models / ALIASES}: names no champion; promote a version first")
    return open_bundle(models / champion)


def open_bundle(folder: Path) -> Bundle:
    """The bundle in ``folder``, every hash verified. Raises BundleError naming the first file that is wrong."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{path}: missing; expected a bundle folder written by the export")
    raw = path.read_bytes()
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise BundleError(f"{path}: {_first(error)}") from error
    _verify_files(folder, manifest)
    _verify_heads(path, manifest)
    return Bundle(folder, manifest, hashlib.sha256(raw).hexdigest())


def _verify_files(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: missing; expected SHA-256 {expected}")
        found = sha256_file(path)
        if found != expected:
            raise BundleError(f"{path}: expected SHA-256 {expected}, found {found}; restore the bundle")
    for needed in ("model.onnx", "tokenizer.json"):
        if needed not in manifest.files:
            raise BundleError(f"{folder / MANIFEST}: files: expected an entry for {needed}, found none")


def _verify_heads(path: Path, manifest: Manifest) -> None:
    if manifest.taxonomy != TAXONOMY_VERSION:
        raise BundleError(f"{path}: taxonomy: expected {TAXONOMY_VERSION}, found {manifest.taxonomy}; retrain")
    ours = [HeadSpec(name=h.name, kind=h.kind, labels=[label.name for label in h.labels]) for h in HEADS]
    if manifest.heads != ours:
        raise BundleError(f"{path}: heads: differ from this version's taxonomy {TAXONOMY_VERSION}; retrain")
    for head in ours:
        calibration = manifest.calibration.get(head.name)
        if calibration is None or len(calibration.bias) != len(head.labels):
            raise BundleError(f"{path}: calibration.{head.name}: expected {len(head.labels)} biases")
        limits = manifest.thresholds if head.kind == "binary" else manifest.cutpoints
        if head.kind != "choice" and set(limits.get(head.name, {})) != set(head.labels):
            raise BundleError(f"{path}: thresholds or cutpoints of {head.name}: expected one per label {head.labels}")


def write_aliases(models: Path, aliases: Aliases) -> None:
    """Write the aliases in one step, so that a reader sees the old or the new ones, never half."""
    temporary = models / f".{ALIASES}.new"
    temporary.write_text(json.dumps(aliases.model_dump(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(models / ALIASES)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
