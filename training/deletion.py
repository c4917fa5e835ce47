"""Whether the evidence is what the scores rest on: without the words shown for a label its probability has to fall."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.progress import track
from triage.bundle import Manifest
from triage.classifier import Prediction
from triage.evidence import explain
from triage.reading import Reading, read
from triage.taxonomy import HEADS, names
from triage.text import AlignedText
from triage.words import cut

DRAWS = 5
PLACE = {(head.name, name): place for head in HEADS for place, name in enumerate(names(head.labels))}

Predict = Callable[[str], Prediction]
Span = tuple[int, int]


def deletion(predict: Predict, manifest: Manifest, texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How often a label loses more without the words shown for it than without as many others, on cleaned texts.

    ``primary`` counts the selected primary types, ``selected`` every selected label; ``fall`` is the mean loss of
    probability (of the expected level, 0–3, for intensity) without the shown words, ``fall_random`` that over ``DRAWS``
    draws among the words not shown. A label without evidence counts against the ``share``.
    """
    falls: dict[str, list[tuple[float, float]]] = {"primary": [], "selected": []}
    for text in track(texts, "delete evidence"):
        prediction = predict(text)
        reading = read(prediction.probabilities, manifest, prediction.foreign)
        for (head, label), spans in _shown(text, prediction, reading).items():
            fall = _falls(predict, text, spans, prediction, (head, label))
            falls["selected"].append(fall)
            if head == "types" and label == reading.primary_type:
                falls["primary"].append(fall)
    return {name: _summary(pairs) for name, pairs in falls.items()}


def _shown(text: str, prediction: Prediction, reading: Reading) -> dict[tuple[str, str], list[Span]]:
    """The spans shown for each selected (head, label)."""
    aligned = AlignedText.identity(text)
    return {
        chosen: [(item.start, item.end) for item in explain(text, aligned, (), prediction, [chosen])]
        for chosen in reading.selected()
    }


def _falls(
    predict: Predict, text: str, shown: list[Span], whole: Prediction, chosen: tuple[str, str]
) -> tuple[float, float]:
    """What the label loses without the shown words, and on average without as many other ones."""
    others = [
        (start, end)
        for word, start, end in cut(text)
        if any(map(str.isalnum, word)) and all(end <= s or e <= start for s, e in shown)
    ]
    draw = random.Random(text)  # noqa: S311  (a sample, no secret)
    drawn = [draw.sample(others, min(len(shown), len(others))) for _ in range(DRAWS)]
    before = _strength(whole, chosen)
    fall, *by_chance = (before - _strength(predict(_without(text, spans)), chosen) for spans in (shown, *drawn))
    return fall, float(np.mean(by_chance))


def _strength(prediction: Prediction, chosen: tuple[str, str]) -> float:
    """A label's probability; for an ordinal one the expected level, the sum of P(level >= 1..3)."""
    return float(prediction.probabilities[chosen[0]][PLACE[chosen]].sum())


def _without(text: str, spans: list[Span]) -> str:
    pieces, done = [], 0
    for start, end in sorted(spans):
        pieces.append(text[done:start])
        done = end
    return "".join([*pieces, text[done:]])


def _summary(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    falls = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    if not len(falls):
        return {"labels": 0, "share": 0.0, "fall": 0.0, "fall_random": 0.0}
    share, (fall, by_chance) = float((falls[:, 0] > falls[:, 1]).mean()), falls.mean(axis=0)
    return {"labels": len(falls), **_rounded(share=share, fall=fall, fall_random=by_chance)}


def _rounded(**values: float) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in values.items()}
