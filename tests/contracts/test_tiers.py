"""The shipped policy against 100 texts that were given a tier by the definitions, before the policy saw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from triage import Ticket
from triage.pipeline import findings, prepare
from triage.reading import Reading
from triage.records import LabelScore, Level
from triage.routing import load_router
from triage.taxonomy import DEMANDS, RISKS, TYPES, Label

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "tiers.jsonl").read_text(encoding="utf-8").splitlines()
]
LIFE = ("self_harm", "violence", "safety")


def labelled(row: dict[str, Any]) -> Reading:
    def scores(labels: tuple[Label, ...], chosen: list[str]) -> tuple[LabelScore, ...]:
        return tuple(
            LabelScore(name=label.name, label=label.zh, probability=1.0, selected=True)
            for label in labels
            if label.name in chosen
        )

    return Reading(
        types=scores(TYPES, row["types"]),
        primary_type=row["primary"],
        intensity=Level(level=row["intensity"], score=row["intensity"]),
        emotions={},
        demands=scores(DEMANDS, row["demands"]),
        risks=scores(RISKS, row["risks"]),
        abstain=None,
    )


@pytest.fixture(scope="module")
def tiers() -> list[tuple[str, str, dict[str, Any]]]:
    """(tier by the definitions, tier by the policy on right labels, row) of every text."""
    router = load_router()
    return [
        (row["tier"], router.route(findings(prepare(Ticket(text=row["text"])), labelled(row))).tier, row)
        for row in ROWS
    ]


def test_the_policy_agrees_with_the_definitions(tiers: list[tuple[str, str, dict[str, Any]]]) -> None:
    wrong = [row["id"] for by_definition, by_policy, row in tiers if by_definition != by_policy]
    assert len(wrong) <= 6, wrong  # two blind judgements by the definitions agree on 94 %


def test_no_life_in_danger_waits_below_the_highest_tier(tiers: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert all(tier == "L4" for _, tier, row in tiers if set(row["risks"]).intersection(LIFE))


def test_no_ordinary_matter_goes_to_the_highest_tier(tiers: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert [row["id"] for right, tier, row in tiers if right in ("L1", "L2") and tier == "L4"] == []
