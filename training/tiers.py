"""Under- and over-triage: the tiers of the policy on what the model finds against those on what people labelled."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from triage.labels import Labels
from triage.pipeline import findings, prepare
from triage.reading import PRIMARY, Reading
from triage.routing import Router
from triage.taxonomy import DEMANDS, EMOTIONS, RISKS, TYPES, names
from triage.ticket import Ticket

Gold = dict[str, NDArray[Any]]


def tier_errors(data: Dataset, rows: NDArray[np.int64], readings: list[Reading], gold: Gold, router: Router) -> Any:
    """The confusion of tiers, (by label, by model), on ``rows``, and the shares that came out too low and too high."""
    confusion = np.zeros((len(router.tiers), len(router.tiers)), dtype=int)
    for row in rows:
        ticket = prepare(Ticket(text=data[int(row)]["text"]))
        right, found = (
            router.tiers.index(router.route(findings(ticket, reading)).tier)
            for reading in (labels_of(gold, int(row)).reading(), readings[row])
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


def labels_of(gold: Gold, row: int) -> Labels:
    """The labels of one row of gold arrays, see ``training.evaluate.gold_table``."""
    return Labels(
        primary=PRIMARY[int(gold["primary"][row])],
        intensity=int(gold["intensity"][row]),
        emotions={name: int(level) for name, level in zip(names(EMOTIONS), gold["emotions"][row], strict=True)},
        **{
            head: [name for name, given in zip(names(labels), gold[head][row], strict=True) if given == 1]
            for head, labels in (("types", TYPES), ("demands", DEMANDS), ("risks", RISKS))
        },
    )
