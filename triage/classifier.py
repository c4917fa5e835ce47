"""Text in, calibrated probabilities out, with the contributions that explain them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triage.bundle import Bundle, Manifest
from triage.model import Array, Model, Window
from triage.taxonomy import HEADS, unit_slices


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of one text.

    ``probabilities`` by head: (labels,), for ordinal heads (labels, 3) with P(level >= 1..3). ``deciding[u]`` is the
    window that the score unit u was read from, ``contributions[w]`` window w's (tokens, units) in calibrated logits.
    ``foreign`` is above 0 for what seems to be no customer's message.
    """

    probabilities: dict[str, Array]
    windows: tuple[Window, ...]
    contributions: tuple[Array, ...]
    deciding: tuple[int, ...]
    embedding: Array
    foreign: float


class Classifier:
    """The bundle's network with the bundle's calibration."""

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self._model = Model(
            bundle.folder / "model.onnx",
            bundle.folder / "tokenizer.json",
            max_tokens=manifest.limits.max_tokens,
            overlap=manifest.limits.window_overlap,
        )
        self._manifest = manifest
        self._unit_temperature = np.concatenate(
            [np.full(len(h.labels), manifest.calibration[h.name].temperature, np.float32) for h in HEADS]
        )

    def predict(self, text: str) -> Prediction:
        """Read the text, in several windows where it is long, and combine them label by label."""
        windows = self._model.windows(text)
        outputs = [self._model.run(window) for window in windows]
        logits, deciding = combine(outputs)
        return Prediction(
            probabilities=calibrate(logits, self._manifest),
            windows=tuple(windows),
            contributions=tuple(output["contributions"] / self._unit_temperature for output in outputs),
            deciding=deciding,
            embedding=logits["sentence_embedding"],
            foreign=foreignness(logits["sentence_embedding"], self._manifest),
        )


def combine(outputs: list[dict[str, Array]]) -> tuple[dict[str, Array], tuple[int, ...]]:
    """One set of logits and one ``sentence_embedding`` for all windows, and each score unit's window.

    A cry for help in one window must not drown in the calm of the others, so every label takes its strongest window.
    The primary type is a comparison between labels, not a sign that is there or not: its logits are averaged.
    """
    if len(outputs) == 1:
        return outputs[0], (0,) * sum(len(head.labels) for head in HEADS)
    logits, deciding = {"sentence_embedding": np.mean([o["sentence_embedding"] for o in outputs], axis=0)}, []
    for head in HEADS:
        stacked = np.stack([output[head.name] for output in outputs])
        if head.kind == "choice":
            logits[head.name] = stacked.mean(axis=0)
            deciding += [0] * len(head.labels)
        else:
            by_label = stacked if head.kind == "binary" else stacked[:, :, 0]
            deciding += [int(index) for index in by_label.argmax(axis=0)]
            logits[head.name] = stacked.max(axis=0)
    return logits, tuple(deciding)


def calibrate(logits: dict[str, Array], manifest: Manifest) -> dict[str, Array]:
    """Probabilities by head from raw logits."""
    probabilities = {}
    for head in HEADS:
        calibration = manifest.calibration[head.name]
        bias = np.array(calibration.bias, dtype=np.float32)
        shifted = (logits[head.name] + (bias if head.kind != "ordinal" else bias[:, None])) / calibration.temperature
        probabilities[head.name] = _softmax(shifted) if head.kind == "choice" else _sigmoid(shifted)
    return probabilities


def foreignness(embedding: Array, manifest: Manifest) -> float:
    """How far a text lies beyond the bundle's domain: above 0 outside of it, below 0 inside or where none is known."""
    if manifest.domain is None:
        return -1.0
    return float(np.dot(embedding.astype(np.float64), manifest.domain.weights)) + manifest.domain.bias


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), dtype=np.float32)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum(), dtype=np.float32)


def unit_index() -> dict[tuple[str, str], int]:
    """The score unit of each (head, label)."""
    slices = unit_slices()
    return {
        (head.name, label.name): slices[head.name].start + position
        for head in HEADS
        for position, label in enumerate(head.labels)
    }
