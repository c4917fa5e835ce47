from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from triage import Pipeline, load_pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The committed champion with the shipped policy."""
    return load_pipeline(ROOT / "models")


@pytest.fixture(scope="session")
def samples() -> list[dict[str, Any]]:
    """Every labelled sample complaint of the repository."""
    rows = [
        json.loads(line)
        for path in sorted((ROOT / "data" / "samples").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [row for row in rows if "types" in row]
