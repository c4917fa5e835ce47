"""Probabilities read as labels and levels: thresholds, cutpoints, the primary type and when to abstain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triage.bundle import Manifest
from triage.model import Array
from triage.records import LabelScore, Level, Reason
from triage.taxonomy import DEMANDS, EMOTIONS, OTHER, RISKS, TYPES, Label, names

LOW_CONFIDENCE = Reason(code="low_confidence", text="各类型的把握都不足，不作猜测。")
FOREIGN = Reason(code="not_a_message", text="不像客户来信（如新闻、诗文、乱写的文字），不作判断。")
PRIMARY = (*names(TYPES), OTHER.name)


@dataclass(frozen=True, slots=True)
class Reading:
    """What probabilities amount to under a manifest's thresholds."""

    types: tuple[LabelScore, ...]
    primary_type: str | None
    intensity: Level | None
    emotions: dict[str, Level]
    demands: tuple[LabelScore, ...]
    risks: tuple[LabelScore, ...]
    abstain: Reason | None

    @staticmethod
    def silent(reason: Reason | None) -> Reading:
        """The reading of a text the network was not asked about."""
        return Reading((), None, None, {}, (), (), reason)

    def selected(self) -> list[tuple[str, str]]:
        """The (head, label) pairs to give evidence for."""
        chosen = [("types", score.name) for score in self.types if score.selected]
        if self.intensity is not None and self.intensity.level >= 2:
            chosen.append(("intensity", "intensity"))
        chosen += [("demands", score.name) for score in self.demands]
        return chosen + [("risks", score.name) for score in self.risks]


def read(probabilities: dict[str, Array], manifest: Manifest, foreign: float = -1.0) -> Reading:
    """Labels, levels and the abstention that calibrated probabilities by head amount to.

    ``foreign`` above 0 says that the text is no customer's message.
    """
    types = _scores(TYPES, probabilities["types"], manifest.thresholds["types"])
    primary, confidence = _primary(types, probabilities["primary"])
    abstain = FOREIGN if foreign > 0 else LOW_CONFIDENCE if confidence < manifest.min_confidence else None
    if abstain:
        types = tuple(score.model_copy(update={"selected": False}) for score in types)
    intensity = _level(probabilities["intensity"][0], manifest.cutpoints["intensity"]["intensity"])
    cutpoints = manifest.cutpoints["emotions"]
    return Reading(
        types=types,
        primary_type=None if abstain else primary,
        intensity=intensity,
        emotions={
            name: _level(probabilities["emotions"][index], cutpoints[name])
            for index, name in enumerate(names(EMOTIONS))
        },
        demands=_selected(_scores(DEMANDS, probabilities["demands"], manifest.thresholds["demands"])),
        risks=_selected(_scores(RISKS, probabilities["risks"], manifest.thresholds["risks"])),
        abstain=abstain,
    )


def confidence(probabilities: dict[str, Array], manifest: Manifest) -> float:
    """How certain the primary type is, in [0, 1]; below the manifest's ``min_confidence`` the reading abstains."""
    return _primary(_scores(TYPES, probabilities["types"], manifest.thresholds["types"]), probabilities["primary"])[1]


def _scores(labels: tuple[Label, ...], probabilities: Array, thresholds: dict[str, float]) -> tuple[LabelScore, ...]:
    return tuple(
        LabelScore(
            name=label.name, label=label.zh, probability=round(float(p), 6), selected=float(p) >= thresholds[label.name]
        )
        for label, p in zip(labels, probabilities, strict=True)
    )


def _selected(scores: tuple[LabelScore, ...]) -> tuple[LabelScore, ...]:
    return tuple(score for score in scores if score.selected)


def _primary(types: tuple[LabelScore, ...], probabilities: Array) -> tuple[str, float]:
    """The likeliest primary type among the selected types, 'other' when none is, and how certain that is."""
    selected = [PRIMARY.index(score.name) for score in types if score.selected]
    if not selected:
        return OTHER.name, float(probabilities[PRIMARY.index(OTHER.name)])
    best = max(selected, key=lambda index: float(probabilities[index]))
    return PRIMARY[best], float(probabilities[best])


def _level(at_least: Array, cutpoints: list[float]) -> Level:
    """Level from P(level >= 1..3): the highest k such that every step up to it passes its cutpoint."""
    passed = np.cumprod(at_least >= np.array(cutpoints, dtype=np.float32))
    return Level(level=int(passed.sum()), score=round(float(at_least.sum()), 6))
