"""The shipped policy against 100 texts that were given a tier by the definitions, before the policy saw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from triage import Ticket
from triage.labels import Labels
from triage.pipeline import findings, prepare
from triage.routing import load_router

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "tiers.jsonl").read_text(encoding="utf-8").splitlines()
]
LIFE = ("self_harm", "violence", "safety")


@pytest.fixture(scope="module")
def tiers() -> list[tuple[str, str, dict[str, Any]]]:
    """(tier by the definitions, tier by the policy on right labels, row) of every text."""
    router = load_router()
    return [
        (
            row["tier"],
            router.route(findings(prepare(Ticket(text=row["text"])), Labels.model_validate(row).reading())).tier,
            row,
        )
        for row in ROWS
    ]


def test_the_policy_agrees_with_the_definitions(tiers: list[tuple[str, str, dict[str, Any]]]) -> None:
    wrong = [row["id"] for by_definition, by_policy, row in tiers if by_definition != by_policy]
    assert len(wrong) <= 6, wrong  # two blind judgements by the definitions agree on 94 %


def test_no_life_in_danger_waits_below_the_highest_tier(tiers: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert all(tier == "L4" for _, tier, row in tiers if set(row["risks"]).intersection(LIFE))


def test_no_ordinary_matter_goes_to_the_highest_tier(tiers: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert [row["id"] for right, tier, row in tiers if right in ("L1", "L2") and tier == "L4"] == []
