"""The words that carry each selected label, read off the contributions that the scores are summed from."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from triage.classifier import Prediction, unit_index
from triage.model import Array
from triage.records import Evidence
from triage.redaction import Redaction
from triage.text import AlignedText
from triage.words import cut

WORDS_PER_LABEL = 5
LEAST_WEIGHT = 0.05
"""Words that move a logit by less than this say nothing a reader could use."""

UNITS = unit_index()
PLACEHOLDER = re.compile("<[A-Z]+>")


@dataclass(frozen=True, slots=True)
class _Words:
    """Word spans in the cleaned text and their summed contributions (words, units)."""

    spans: list[tuple[int, int]]
    weights: Array


def explain(
    original: str,
    cleaned: AlignedText,
    redactions: tuple[Redaction, ...],
    prediction: Prediction,
    selected: list[tuple[str, str]],
) -> tuple[Evidence, ...]:
    """The strongest words for each selected (head, label), strongest first; spans index the original text.

    A word that touches a masked number is shown as its placeholder: evidence is stored and must not undo the masking.
    """
    by_window: dict[int, _Words] = {}
    found: list[Evidence] = []
    for head, label in selected:
        unit = UNITS[head, label]
        window = prediction.deciding[unit]
        if window not in by_window:
            by_window[window] = _sum_to_words(cleaned.text, prediction, window)
        words = by_window[window]
        column = words.weights[:, unit]
        strongest = np.argsort(-column, kind="stable")[:WORDS_PER_LABEL]
        for index, weight in zip(strongest.tolist(), column[strongest].tolist(), strict=True):
            if weight < LEAST_WEIGHT:
                break
            span = words.spans[index]
            start, end = cleaned.span(*span)
            masked = any(r.start < end and start < r.end for r in redactions)
            found.append(
                Evidence(
                    label=label,
                    start=start,
                    end=end,
                    text=cleaned.text[slice(*span)] if masked else original[start:end],
                    weight=round(weight, 4),
                )
            )
    return tuple(found)


def _sum_to_words(text: str, prediction: Prediction, window: int) -> _Words:
    """Contributions of a window summed to words.

    Tokens and dictionary words may overlap; spans where both have a boundary are the smallest units over which the
    sum stays exact, so those are the words.
    """
    offsets = prediction.windows[window].offsets
    contributions = prediction.contributions[window]
    starts = {start for _, start, _ in cut(text)}
    for placeholder in PLACEHOLDER.finditer(text):  # a mask is one word, whatever the dictionary makes of it
        starts.difference_update(range(placeholder.start() + 1, placeholder.end()))
    begins: list[int] = []
    ends: list[int] = []
    rows: list[int] = []
    last = 0
    for index, (start, end) in enumerate(offsets):
        if start == end:  # the special tokens at both ends stand for no word
            continue
        last = index
        if not rows or (start in starts and start >= ends[-1]):
            begins.append(start)
            ends.append(end)
            rows.append(index)
        elif end > ends[-1]:
            ends[-1] = end
    if not rows:
        return _Words([], np.zeros((0, contributions.shape[1]), np.float32))
    return _Words(list(zip(begins, ends, strict=True)), np.add.reduceat(contributions[: last + 1], rows, axis=0))
