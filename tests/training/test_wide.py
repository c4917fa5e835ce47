"""The wide branch: what is learnt is what is served, and no row is scored by a model that saw it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.network import BUCKETS, SCORE_UNITS, TriageNetwork, load_encoder, load_tokenizer
from training.wide import _choose, _features, _grams, fit_wide
from triage.taxonomy import HEADS

TEXTS = [
    "退款一直不到账，客服不理人",
    "客服态度太差，要求道歉",
    "屏幕坏了，要求换货",
    "退款被拒绝，理由是活动价",
    "保险公司拒绝赔付，要求理赔",
    "送来的菜是坏的，要求退款",
] * 5
NAMES = [f"row {number}" for number in range(len(TEXTS))]


def targets(rows: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    made: dict[str, torch.Tensor] = {}
    for head in HEADS:
        if head.kind == "choice":
            made[head.name] = torch.randint(0, len(head.labels), (rows,), generator=generator)
        elif head.kind == "ordinal":
            levels = torch.randint(0, 4, (rows, len(head.labels), 1), generator=generator)
            made[head.name] = (levels > torch.arange(3)).float()
        else:
            made[head.name] = torch.randint(0, 2, (rows, len(head.labels)), generator=generator).float()
    return made


@pytest.fixture
def network(tiny_encoder: Path) -> TriageNetwork:
    torch.manual_seed(1)
    return TriageNetwork(load_encoder(str(tiny_encoder), 1)).eval()


def test_the_served_table_computes_the_fitted_scores(network: TriageNetwork, tiny_encoder: Path) -> None:
    ids = load_tokenizer(str(tiny_encoder))(TEXTS)["input_ids"]
    vocabulary = network.encoder.config.vocab_size
    text, bucket = _grams(ids, vocabulary)
    row_of, idf = _choose(text, bucket, len(ids), vocabulary + BUCKETS)
    table = np.random.default_rng(1).normal(size=(len(idf), SCORE_UNITS)).astype(np.float32)
    table[0] = 0.0
    network.set_wide(row_of, idf, table)
    expected = _features(text, row_of[bucket], idf, len(ids)) @ table
    with torch.no_grad():
        found = [network.wide_contributions(torch.tensor([row]), None).sum(dim=1)[0].numpy() for row in ids]
    assert np.abs(expected).max() > 1
    assert np.abs(np.stack(found) - expected).max() < 0.05  # eight bits a weight


def test_padding_adds_nothing(network: TriageNetwork, tiny_encoder: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_encoder))
    fit_wide(network, tokenizer(TEXTS)["input_ids"], targets(len(TEXTS)), NAMES)
    batch = tokenizer.pad({"input_ids": tokenizer([TEXTS[0], TEXTS[0] * 3])["input_ids"]}, return_tensors="pt")
    with torch.no_grad():
        padded = network.wide_contributions(batch["input_ids"], batch["attention_mask"]).sum(dim=1)[0]
        alone = network.wide_contributions(torch.tensor(tokenizer([TEXTS[0]])["input_ids"]), None).sum(dim=1)[0]
    assert torch.allclose(padded, alone, atol=1e-5)


def test_a_row_s_cross_fitted_scores_do_not_depend_on_its_labels(
    network: TriageNetwork, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.wide.STRENGTHS", (1e-4,))
    ids = load_tokenizer(str(tiny_encoder))([f"{text}{number}" for number, text in enumerate(TEXTS)])["input_ids"]
    labels = targets(len(ids))
    before = fit_wide(network, ids, labels, NAMES)
    labels["types"][0] = 1 - labels["types"][0]
    after = fit_wide(network, ids, labels, NAMES)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1:], after[1:])


def test_another_wording_of_a_row_is_scored_without_it(
    network: TriageNetwork, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.wide.STRENGTHS", (1e-4,))
    ids = load_tokenizer(str(tiny_encoder))([f"{text}{number}" for number, text in enumerate(TEXTS)])["input_ids"]
    names = [NAMES[1], *NAMES[1:]]
    labels = targets(len(ids))
    before = fit_wide(network, ids, labels, names)
    labels["types"][0] = 1 - labels["types"][0]
    after = fit_wide(network, ids, labels, names)
    assert torch.equal(before[1], after[1])
