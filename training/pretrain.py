"""Read the unlabelled complaints before the labelled ones: masked words on the encoder that will be fine-tuned.

What is left of a pretrained encoder after its upper layers are cut off has never written its own last states, and its
texts were no complaints. Guessing hidden words of some ten thousand complaints mends both (task-adaptive pretraining,
Gururangan et al. 2020). The result is an ordinary encoder folder, which ``fenzhen-train finetune --encoder`` takes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertModel, DataCollatorForLanguageModeling, Trainer, set_seed
from transformers.models.bert.modeling_bert import BertPredictionHeadTransform

from training.corpus import prepared_text
from training.finetune import LogLine, arguments, go_on, same_recipe, warmup_then_linear
from training.network import load_encoder, load_tokenizer
from training.progress import track

log = structlog.get_logger()

SHORTEST = 8
"""Texts of fewer tokens say too little to guess a hidden word from."""


@dataclass(frozen=True)
class Pretraining:
    """Everything that decides the encoder; stored beside it as ``recipe.json``."""

    encoder: str
    layers: int = 6
    epochs: float = 3.0
    batch: int = 32
    learning_rate: float = 1e-4
    head_learning_rate: float = 5e-4
    masked: float = 0.15
    max_tokens: int = 128
    warmup: float = 0.06
    bf16: bool = False
    seed: int = 7


class MaskedWords(nn.Module):
    """The encoder and a head that names hidden tokens by the encoder's own embeddings."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.transform = BertPredictionHeadTransform(encoder.config)
        self.bias = nn.Parameter(torch.zeros(encoder.config.vocab_size))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, **_: Tensor) -> dict[str, Tensor]:
        """The mean cross-entropy of the hidden tokens, those with a label of 0 or more."""
        hidden = labels >= 0
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[hidden]
        scores = F.linear(self.transform(states), self.encoder.embeddings.word_embeddings.weight, self.bias)
        return {"loss": F.cross_entropy(scores.float(), labels[hidden])}


def pretrain(data: Path, run: Path, recipe: Pretraining) -> Path:
    """Train on every text in an ``unlabelled`` folder below ``data`` and return the folder ``run/encoder``.

    An interrupted run goes on, a finished one stays. Raises ValueError where there is no such text.
    """
    folder = run / "encoder"
    if (folder / "model.safetensors").exists():
        log.info("pretrain", already="finished", folder=str(folder))
        return folder
    same_recipe(run, asdict(recipe))
    set_seed(recipe.seed)
    tokenizer = load_tokenizer(recipe.encoder)
    texts = unlabelled_texts(data)
    ids = tokenizer(texts, truncation=True, max_length=recipe.max_tokens)["input_ids"]
    rows = Dataset.from_dict({"input_ids": [row for row in ids if len(row) >= SHORTEST]})
    rows = rows.add_column("length", [len(row) for row in rows["input_ids"]])
    log.info("pretrain", texts=len(rows), tokens=sum(rows["length"]))
    model = MaskedWords(load_encoder(recipe.encoder, recipe.layers))
    head = [parameter for name, parameter in model.named_parameters() if not name.startswith("encoder.")]
    groups = [
        {"params": list(model.encoder.parameters()), "lr": recipe.learning_rate},
        {"params": head, "lr": recipe.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    steps = len(rows) / recipe.batch * recipe.epochs
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=recipe.masked)
    trainer = Trainer(
        model=model,
        args=arguments(run, recipe),
        train_dataset=rows,
        data_collator=lambda batch: collate([{"input_ids": row["input_ids"]} for row in batch]),
        optimizers=(
            optimizer,
            torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_linear(recipe.warmup * steps, steps)),
        ),
        callbacks=[LogLine("pretrain")],
    )
    go_on(trainer)
    model.encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def unlabelled_texts(data: Path) -> list[str]:
    """Every different text of the ``unlabelled`` folders below ``data``, as the served model would see it."""
    rows: list[dict[str, Any]] = [
        json.loads(line)
        for path in sorted(data.rglob("*.jsonl"))
        if "unlabelled" in path.parts
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    if not rows:
        raise ValueError(f"{data}: expected texts to read in unlabelled/*.jsonl, found none")
    return sorted({prepared_text(row["text"]) for row in track(rows, "texts")})
