"""The arithmetic of the network's outputs: sums are exact, windows overlap, the strongest window decides."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from triage.bundle import Bundle, open_champion
from triage.classifier import Classifier, combine, unit_index
from triage.evidence import _sum_to_words
from triage.model import Model
from triage.taxonomy import HEADS, unit_slices

ROOT = Path(__file__).parents[2]
TEXT = "客服态度恶劣,一直不给退款,我要向12315投诉!"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_champion(ROOT / "models")


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Model:
    return Model(bundle.folder / "model.onnx", bundle.folder / "tokenizer.json", max_tokens=512, overlap=64)


def test_a_logit_is_the_sum_of_its_tokens_contributions_plus_a_constant(model: Model) -> None:
    """The constant is the unit's bias: the same for every text, so the words explain all that differs."""
    where = unit_slices()["types"]
    constants = []
    for text in (TEXT, "东西坏了", "你好,请问营业时间是几点?" * 8):
        out = model.run(model.windows(text)[0])
        constants.append(out["types"] - out["contributions"][:, where].sum(axis=0))
    assert np.allclose(constants[0], constants[1], atol=1e-4)
    assert np.allclose(constants[0], constants[2], atol=1e-4)


def test_words_carry_all_that_their_tokens_carry(bundle: Bundle) -> None:
    prediction = Classifier(bundle).predict(TEXT)
    words = _sum_to_words(TEXT, prediction, 0)
    assert "".join(TEXT[start:end] for start, end in words.spans).replace(" ", "") == TEXT
    tokens = prediction.contributions[0][1:-1].sum(axis=0)
    assert np.allclose(words.weights.sum(axis=0), tokens, atol=1e-4)


def test_a_long_text_is_read_to_its_end_in_overlapping_windows(model: Model) -> None:
    text = "".join(f"第{n}次打电话客服都说会处理," for n in range(200))
    windows = model.windows(text)
    assert len(windows) > 2
    assert all(len(window.ids) <= 512 for window in windows)
    for former, latter in pairwise(windows):
        assert latter.offsets[1][0] < former.offsets[-2][0]
    assert windows[0].offsets[1][0] == 0
    assert windows[-1].offsets[-2][1] == len(text)


@pytest.mark.parametrize(("characters", "windows"), [(509, 1), (510, 2)])
def test_a_text_that_just_fits_is_one_window(model: Model, characters: int, windows: int) -> None:
    """512 tokens: two special ones, one for the word boundary at the start, one per character."""
    read = model.windows("坏" * characters)
    assert len(read) == windows
    assert len(read[0].ids) == 512


def test_the_strongest_window_decides_a_sign_and_the_average_the_primary_type() -> None:
    calm = {h.name: np.zeros((len(h.labels), 3) if h.kind == "ordinal" else len(h.labels), np.float32) for h in HEADS}
    calm["sentence_embedding"] = np.zeros(4, np.float32)
    loud = {name: value.copy() for name, value in calm.items()}
    unit = unit_index()["risks", "self_harm"]
    position = unit - unit_slices()["risks"].start
    loud["risks"][position] = 5
    loud["primary"][0] = 4
    logits, deciding = combine([calm, loud, calm])
    assert logits["risks"][position] == 5
    assert deciding[unit] == 1
    assert logits["primary"][0] == pytest.approx(4 / 3)
