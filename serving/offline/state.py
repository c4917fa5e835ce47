"""How far an offline job has come, kept beside its output so that it can continue after any interruption."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

_CHUNK = 1 << 20


class JobError(Exception):
    """Why a job cannot run, in a sentence for the operator."""


class JobState(BaseModel):
    """A checkpoint: everything before these positions is on disk, everything after them is done again."""

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    versions: dict[str, str]
    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    input_bytes: int = 0
    input_sha256: str = hashlib.sha256().hexdigest()
    output_bytes: int = 0
    rejects_bytes: int = 0

    def save(self, path: Path) -> None:
        """Replace the file at ``path``, at once and durably."""
        fresh = path.with_name(path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def load_or_begin(path: Path, output: Path, rejects: Path, versions: dict[str, str]) -> JobState:
    """The state to continue from, a new one when nothing was written yet; raises ``JobError`` on foreign files."""
    if not path.exists():
        for file in (output, rejects):
            if file.exists() and file.stat().st_size:
                raise JobError(f"{file} exists and is no interrupted job's output: remove it or choose another")
        return JobState(versions=versions)
    if not output.exists():
        return JobState(versions=versions)  # the output was removed to start over
    try:
        state = JobState.model_validate_json(path.read_bytes())
    except ValidationError:
        raise JobError(f"{path} cannot be read as the state of a job: remove it and {output} to start over") from None
    if state.versions != versions:
        raise JobError(
            f"{output} was begun with {state.versions}, now it would be {versions}: "
            "use the same bundle and policy, or remove the output to start over"
        )
    for file, expected in ((output, state.output_bytes), (rejects, state.rejects_bytes)):
        found = file.stat().st_size if file.exists() else 0
        if found < expected:
            raise JobError(f"{file} has {found} bytes, expected at least {expected}: remove {output} to start over")
    return state


def skip_done(input: BinaryIO, state: JobState, name: Path) -> hashlib._Hash:
    """Move ``input`` behind what was done; the hash of that part. Raises ``JobError`` when it is not the same."""
    digest, left = hashlib.sha256(), state.input_bytes
    while left and (chunk := input.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    if left or digest.hexdigest() != state.input_sha256:
        raise JobError(
            f"{name} does not begin with the {state.lines} lines done so far: the output belongs to another input. "
            "Give the input it was begun with, or choose another output."
        )
    return digest
