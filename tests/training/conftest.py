from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer encoder with the champion's tokenizer: small enough to train in seconds."""
    folder = tmp_path_factory.mktemp("encoder")
    champion = json.loads((ROOT / "models" / "aliases.json").read_text(encoding="utf-8"))["champion"]
    bundle = ROOT / "models" / champion
    for name in ("tokenizer.json", "checkpoint/tokenizer_config.json"):
        (folder / Path(name).name).write_bytes((bundle / name).read_bytes())
    vocabulary = json.loads((bundle / "checkpoint" / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=512,
        pad_token_id=1,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
