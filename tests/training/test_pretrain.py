"""Pretraining: hidden words of unlabelled complaints, and an encoder that fine-tuning begins with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel
from typer.testing import CliRunner

from training.cli import app
from training.network import load_encoder
from training.pretrain import MaskedWords, unlabelled_texts

TEXTS = [f"订单{number}到现在没有发货，客服一直让我等，电话13800000000也没人回。" for number in range(48)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "unlabelled").mkdir(parents=True)
    lines = [json.dumps({"id": str(n), "text": text}, ensure_ascii=False) for n, text in enumerate([*TEXTS, TEXTS[0]])]
    (folder / "unlabelled" / "pool.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "labelled.jsonl").write_text(json.dumps({"id": "x", "text": "不在其中"}), encoding="utf-8")
    return folder


def test_texts_are_read_once_masked_and_only_where_nobody_labelled_them(data: Path) -> None:
    texts = unlabelled_texts(data)
    assert len(texts) == len(TEXTS)
    assert all("<PHONE>" in text and "13800000000" not in text for text in texts)


def test_pretraining_gives_an_encoder_that_has_learnt(data: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    options = ["--encoder", str(tiny_encoder), "--layers", "1", "--epochs", "2", "--work", str(tmp_path / "work")]
    result = CliRunner().invoke(app, ["pretrain", str(data), *options])
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.strip().splitlines()[-1])
    before, after = load_encoder(str(tiny_encoder), 1), load_encoder(str(folder), 1)
    assert AutoModel.from_pretrained(folder).config.num_hidden_layers == 1
    assert not torch.equal(before.embeddings.word_embeddings.weight, after.embeddings.word_embeddings.weight)
    assert (folder / "tokenizer.json").exists()
    again = CliRunner().invoke(app, ["pretrain", str(data), *options])
    assert again.exit_code == 0
    assert again.stdout.strip().splitlines()[-1] == str(folder)


def test_only_hidden_tokens_count(tiny_encoder: Path) -> None:
    torch.manual_seed(1)
    model = MaskedWords(load_encoder(str(tiny_encoder), 1)).eval()
    ids, mask = torch.arange(10, 20)[None], torch.ones(1, 10, dtype=torch.long)
    labels = torch.full((1, 10), -100)
    labels[0, 3] = 13
    one = model(ids, mask, labels)["loss"]
    labels[0, 4] = 14
    assert torch.isfinite(one)
    assert model(ids, mask, labels)["loss"] != one


def test_a_folder_without_unlabelled_texts_is_an_error(tiny_encoder: Path, tmp_path: Path) -> None:
    options = ["--encoder", str(tiny_encoder), "--work", str(tmp_path)]
    result = CliRunner().invoke(app, ["pretrain", str(tmp_path), *options])
    assert result.exit_code != 0
    assert "unlabelled" in result.output
