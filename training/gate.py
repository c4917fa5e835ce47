"""中文变形门, the metamorphic gate: what a change of wording must, and must not, change in a decision.

Each case is a few texts and what has to hold between their decisions; ``data/metamorphic/<kind>.jsonl`` has them by
kind. Anything that can judge a text can stand before the gate: a bundle, the TF-IDF baseline, SnowNLP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.progress import track
from triage.pipeline import Pipeline
from triage.taxonomy import CRISIS_RISKS, OTHER, TYPES, names

TOLERANCE = 0.05
"""How far an unrounded intensity in [0, 3] may fall where it should rise: less than anybody would notice."""

Grade = Literal[0, 1, 2, 3]
Constant = Literal["primary", "types", "tier", "intensity"]


class GateError(ValueError):
    """A case that cannot be run; the message names file and line."""


class Expectation(BaseModel):
    """What must hold; lists have one entry a text, with None for a text that is not checked."""

    model_config = ConfigDict(extra="forbid")

    same: list[Constant] = Field(default=[], description="Fields of the decision that are equal for all texts.")
    rising: bool = Field(default=False, description="The unrounded intensity does not fall from text to text.")
    intensity: list[tuple[Grade, Grade] | None] | None = Field(default=None, description="Least and greatest level.")
    joy: list[Grade | None] | None = Field(default=None, description="Greatest level of joy.")
    crisis: list[bool | None] | None = Field(default=None, description="Whether self-harm or violence is found.")
    primary: list[str | None] | None = None


class Case(BaseModel):
    """Texts, the first of which is the base, and what is expected of their decisions."""

    model_config = ConfigDict(extra="forbid")

    id: str
    texts: list[str] = Field(min_length=1)
    expect: Expectation

    @model_validator(mode="after")
    def _can_be_checked(self) -> Case:
        given = self.expect.model_dump(exclude_none=True)
        for field in ("intensity", "joy", "crisis", "primary"):
            if field in given and len(given[field]) != len(self.texts):
                raise ValueError(f"expect.{field}: got {len(given[field])} entries for {len(self.texts)} texts")
        unknown = set(given.get("primary", [])) - {*names(TYPES), OTHER.name, None}
        if unknown:
            raise ValueError(f"expect.primary: unknown type {sorted(unknown)}")
        if (self.expect.same or self.expect.rising) and len(self.texts) < 2:
            raise ValueError("expect: 'same' and 'rising' compare texts; got one")
        return self


@dataclass(frozen=True)
class Judgement:
    """What a judge makes of a text; None where it has no opinion."""

    score: float
    intensity: int
    primary: str | None = None
    types: frozenset[str] | None = None
    joy: int | None = None
    crisis: bool | None = None
    tier: str | None = None


Judge = Callable[[str], Judgement]


def read_cases(folder: Path) -> dict[str, list[Case]]:
    """The cases below ``folder`` by kind, which is the file's name. Raises GateError on the first bad line."""
    cases: dict[str, list[Case]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        rows = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                rows.append(Case.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, first["loc"])) or "row"
                raise GateError(f"{path}:{number}: {where}: {first['msg']}") from error
        cases[path.stem] = rows
    if not cases:
        raise GateError(f"{folder}: expected <kind>.jsonl files with cases, found none")
    return cases


def run_gate(judge: Judge, cases: dict[str, list[Case]]) -> dict[str, dict[str, Any]]:
    """By kind: ``cases`` judged, the ``rate`` that passed, and what ``failed``, by case.

    A case about something the judge has no opinion on is not counted for or against it.
    """
    report: dict[str, dict[str, Any]] = {}
    for kind, members in track(list(cases.items()), "metamorphic gate"):
        outcomes = {case.id: _failures(case, [judge(text) for text in case.texts]) for case in members}
        judged = {id_: failed for id_, failed in outcomes.items() if failed is not None}
        passed = sum(not failed for failed in judged.values())
        report[kind] = {
            "cases": len(judged),
            "rate": round(passed / len(judged), 4) if judged else None,
            "failed": {id_: failed for id_, failed in judged.items() if failed},
        }
    return report


def _failures(case: Case, found: list[Judgement]) -> list[str] | None:
    """What does not hold, in words; None when the judge has no opinion on anything that was asked."""
    expect, failed, asked = case.expect, [], 0
    for name in expect.same:
        values = [getattr(judgement, name) for judgement in found]
        if values[0] is not None:
            asked += 1
            if any(value != values[0] for value in values):
                failed.append(f"{name} should stay the same, found {[_plain(value) for value in values]}")
    if expect.rising:
        asked += 1
        scores = [judgement.score for judgement in found]
        if any(after < before - TOLERANCE for before, after in pairwise(scores)):
            failed.append(f"intensity should not fall, found {[round(score, 2) for score in scores]}")
    checks: tuple[tuple[str, list[Any] | None, Callable[[Any, Any], bool]], ...] = (
        ("intensity", expect.intensity, lambda level, span: span[0] <= level <= span[1]),
        ("joy", expect.joy, lambda level, most: level <= most),
        ("crisis", expect.crisis, lambda is_one, should: is_one == should),
        ("primary", expect.primary, lambda name, should: name == should),
    )
    for field, wanted, holds in checks:
        for place, (judgement, want) in enumerate(zip(found, wanted or [], strict=False), 1):
            value = getattr(judgement, field)
            if want is not None and value is not None:
                asked += 1
                if not holds(value, want):
                    failed.append(f"text {place}: {field} should be {want}, found {value}")
    return failed if asked else None


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def served(pipeline: Pipeline) -> Judge:
    """The judge that a bundle is: the whole decision, as it would be served."""

    def judge(text: str) -> Judgement:
        decision = pipeline.triage(text)
        return Judgement(
            score=decision.intensity.score if decision.intensity else 0.0,
            intensity=decision.intensity.level if decision.intensity else 0,
            primary=decision.primary_type or "abstained",
            types=frozenset(score.name for score in decision.types if score.selected),
            joy=decision.emotions["joy"].level if decision.emotions else 0,
            crisis=any(score.name in CRISIS_RISKS for score in decision.risks),
            tier=decision.route.tier,
        )

    return judge


def snownlp() -> Judge:
    """SnowNLP's sentiment as a judge: it has an opinion on feelings alone."""
    from snownlp import SnowNLP

    def judge(text: str) -> Judgement:
        negative = 3.0 * (1.0 - SnowNLP(text).sentiments)
        return Judgement(score=negative, intensity=round(negative), joy=round(3.0 - negative) if negative < 1.5 else 0)

    return judge
