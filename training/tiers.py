"""Under- and over-triage: the tiers of the policy on what the model finds against those on what people labelled."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from triage.pipeline import findings, prepare
from triage.reading import PRIMARY, Reading
from triage.records import LabelScore, Level
from triage.routing import Router
from triage.taxonomy import DEMANDS, EMOTIONS, RISKS, TYPES, Label, names
from triage.ticket import Ticket

Gold = dict[str, NDArray[Any]]


def tier_errors(data: Dataset, rows: NDArray[np.int64], readings: list[Reading], gold: Gold, router: Router) -> Any:
    """The confusion of tiers, (by label, by model), on ``rows``, and the shares that came out too low and too high."""
    confusion = np.zeros((len(router.tiers), len(router.tiers)), dtype=int)
    for row in rows:
        ticket = prepare(Ticket(text=data[int(row)]["text"]))
        right, found = (
            router.tiers.index(router.route(findings(ticket, reading)).tier)
            for reading in (labelled_reading(gold, int(row)), readings[row])
        )
        confusion[right, found] += 1
    total = max(1, int(confusion.sum()))
    return {
        "tiers": list(router.tiers),
        "policy": router.version,
        "confusion": confusion.tolist(),
        "under_triage": round(float(np.tril(confusion, -1).sum()) / total, 4),
        "over_triage": round(float(np.triu(confusion, 1).sum()) / total, 4),
    }


def labelled_reading(gold: Gold, row: int) -> Reading:
    """What a model would read that is always right."""
    return Reading(
        types=_scores(TYPES, gold["types"][row]),
        primary_type=PRIMARY[int(gold["primary"][row])],
        intensity=Level(level=int(gold["intensity"][row]), score=float(gold["intensity"][row])),
        emotions={
            name: Level(level=int(gold["emotions"][row][k]), score=float(gold["emotions"][row][k]))
            for k, name in enumerate(names(EMOTIONS))
        },
        demands=tuple(score for score in _scores(DEMANDS, gold["demands"][row]) if score.selected),
        risks=tuple(score for score in _scores(RISKS, gold["risks"][row]) if score.selected),
        abstain=None,
    )


def _scores(labels: tuple[Label, ...], given: NDArray[Any]) -> tuple[LabelScore, ...]:
    return tuple(
        LabelScore(name=label.name, label=label.zh, probability=float(value == 1), selected=bool(value == 1))
        for label, value in zip(labels, given, strict=True)
    )
