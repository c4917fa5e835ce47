"""What people say of a complaint under the guideline, and what a model that is always right would read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from triage.reading import PRIMARY, Reading
from triage.records import LabelScore, Level
from triage.taxonomy import DEMANDS, EMOTIONS, OTHER, RISKS, TYPES, Label, names

Grade = Literal[0, 1, 2, 3]


class Labels(BaseModel):
    """The labels of one complaint; see ``data/GUIDELINE.md``. Other fields of its row are passed over."""

    model_config = ConfigDict(extra="ignore")

    types: list[str]
    primary: str
    intensity: Grade
    emotions: dict[str, Grade]
    demands: list[str]
    risks: list[str]

    @model_validator(mode="after")
    def _are_known(self) -> Labels:
        for field, found, known in (
            ("types", self.types, names(TYPES)),
            ("primary", [self.primary], PRIMARY),
            ("emotions", list(self.emotions), names(EMOTIONS)),
            ("demands", self.demands, names(DEMANDS)),
            ("risks", self.risks, names(RISKS)),
        ):
            unknown = sorted(set(found) - set(known))
            if unknown:
                raise ValueError(f"{field}: unknown label {unknown}, expected some of {list(known)}")
        if (self.primary == OTHER.name) != (not self.types):
            raise ValueError(f"primary: {self.primary!r} with types {self.types}: 'other' exactly when types is empty")
        if self.types and self.primary not in self.types:
            raise ValueError(f"primary: {self.primary!r} is not among types {self.types}")
        return self

    def reading(self) -> Reading:
        """What a model would read that is always right, and certain of it."""
        return Reading(
            types=_scores(TYPES, self.types),
            primary_type=self.primary,
            intensity=_level(self.intensity),
            emotions={name: _level(self.emotions.get(name, 0)) for name in names(EMOTIONS)},
            demands=tuple(score for score in _scores(DEMANDS, self.demands) if score.selected),
            risks=tuple(score for score in _scores(RISKS, self.risks) if score.selected),
            abstain=None,
        )


def _scores(labels: tuple[Label, ...], given: Collection[str]) -> tuple[LabelScore, ...]:
    return tuple(
        LabelScore(
            name=label.name, label=label.zh, probability=float(label.name in given), selected=label.name in given
        )
        for label in labels
    )


def _level(grade: int) -> Level:
    return Level(level=grade, score=grade)
