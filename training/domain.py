"""What is no customer's message at all: a linear boundary on the mean token state, learnt from a few written examples.

Poems and news are fluent Chinese; no rule on characters turns them away, and the types head has no word for them. The
examples stand in one file with a ``reason`` each. A third of them is never learnt from, so that it can be measured on.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.corpus import prepared_text
from triage.bundle import Domain
from triage.screening import screen

FALSE_ABSTENTIONS = 0.0075
"""The share of ordinary complaints that may be taken for something else."""
SHRINKAGE = 0.01
HELD_OUT = 3

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Foreign:
    """A text that is no customer's message; ``screened`` ones are turned away before the network is asked."""

    text: str
    reason: str
    screened: bool
    held_out: bool


def read_foreign(path: Path) -> list[Foreign]:
    """The examples of a file of rows with id, text and reason, cleaned and masked."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    texts = [prepared_text(row["text"]) for row in rows]
    return [
        Foreign(text, row["reason"], screen(text) is not None, zlib.crc32(row["id"].encode()) % HELD_OUT == 0)
        for row, text in zip(rows, texts, strict=True)
    ]


def fit_domain(own: Numbers, foreign: Numbers, unseen: Numbers) -> Domain:
    """The boundary between mean token states (rows, width) of complaints and of foreign texts.

    It is moved until it leaves out no more than the allowed share of ``unseen`` complaints: with hundreds of directions
    and few examples it lies closer around the complaints it was fitted on. States are whitened by the complaints'
    covariance first: what is far out in a direction in which complaints hardly vary is a stronger sign than a long way
    along one in which they do.
    """
    middle = own.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((own - middle).T))
    white = vectors / np.sqrt(np.maximum(values, 0) + SHRINKAGE * values.mean())
    seen = (np.concatenate([own, foreign]) - middle) @ white
    gold = np.repeat([0, 1], [len(own), len(foreign)])
    model = LogisticRegression(C=0.001, class_weight="balanced", max_iter=500)
    weights = white @ model.fit(seen, gold).coef_[0]
    bias = -float(np.quantile(unseen @ weights, 1 - FALSE_ABSTENTIONS))
    return Domain(weights=[round(float(weight), 6) for weight in weights], bias=round(bias, 6))
