"""The network: a shared encoder and linear scores on label-wise pooled token states.

For every score unit u the tokens t are weighted by a softmax a[u, t] over q[u]·h[t] and summed: score[u] = bias[u] +
sum over t of a[u, t] * (w[u]·h[t]). The summands are the contributions that evidence is read from, so the words shown
for a label are the arithmetic of its score. With q = 0, where training starts, this is plain mean pooling.

Beside this deep branch stands a wide one: hashed 1-, 2- and 3-grams of tokens, each with a weight per unit, like a
linear model on n-grams. It knows rare phrases that a short fine-tuning has not learnt, and it too is a sum over tokens.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertModel, PreTrainedTokenizerBase

from training.corpus import MOODS
from triage.taxonomy import HEADS, unit_slices

WIDE_ROWS = 2**17
"""Rows of the wide branch's table; n-grams that share a row share their weights."""
PRIMES = (1_000_003, 15_485_863, 32_452_843)

SCORE_UNITS = sum(len(head.labels) for head in HEADS)
LEVELS = 3


@dataclass(frozen=True)
class LossWeights:
    """How much each head counts. Binary heads sum over their labels: a mean would drown the rare ones."""

    types: float = 1.0
    primary: float = 1.0
    intensity: float = 1.0
    emotions: float = 0.6
    demands: float = 0.6
    risks: float = 1.0
    mood: float = 0.3


class TriageNetwork(nn.Module):
    """Encoder plus heads. ``forward`` returns the loss for the Trainer; ``scores`` what is exported."""

    def __init__(self, encoder: BertModel, positive_weights: dict[str, list[float]] | None = None) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.queries = nn.Parameter(torch.zeros(SCORE_UNITS, width))
        self.directions = nn.Parameter(torch.randn(SCORE_UNITS, width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(SCORE_UNITS))
        ordinal = sum(len(head.labels) for head in HEADS if head.kind == "ordinal")
        self.first_threshold = nn.Parameter(torch.zeros(ordinal))
        self.threshold_gaps = nn.Parameter(torch.ones(ordinal, LEVELS - 1))
        self.wide = nn.Embedding(WIDE_ROWS, SCORE_UNITS)
        nn.init.zeros_(self.wide.weight)
        self.mood = nn.Linear(width, len(MOODS))
        self.weights = LossWeights()
        for name in ("types", "demands", "risks"):
            count = len(next(head.labels for head in HEADS if head.name == name))
            self.register_buffer(
                f"positive_{name}", torch.tensor((positive_weights or {}).get(name, [1.0] * count)), persistent=False
            )

    def contributions(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Per-token contributions, (batch, tokens, units), of token states (batch, tokens, width)."""
        attention = states @ self.queries.T / states.shape[-1] ** 0.5
        if mask is not None:
            attention = attention.masked_fill(mask[:, :, None] == 0, torch.finfo(attention.dtype).min)
        return attention.softmax(dim=1) * (states @ self.directions.T)

    def wide_contributions(self, input_ids: Tensor, mask: Tensor | None) -> Tensor:
        """The wide branch's share of each token, (batch, tokens, units): its n-grams end at that token."""
        shares = torch.stack([self.wide(rows).float() for rows in hashed_grams(input_ids)]).sum(dim=0)
        if mask is None:
            return shares / (3.0 * input_ids.shape[1]) ** 0.5
        shares = shares * mask[:, :, None]
        return shares / (3.0 * mask.sum(dim=1, keepdim=True)[:, :, None]) ** 0.5

    def head_logits(self, scores: Tensor) -> dict[str, Tensor]:
        """Logits by head of unit scores (batch, units): (batch, labels), ordinal heads (batch, labels, 3)."""
        gaps = F.softplus(self.threshold_gaps).cumsum(dim=1)
        thresholds = self.first_threshold[:, None] + torch.cat([torch.zeros_like(gaps[:, :1]), gaps], dim=1)
        logits, ordinal = {}, 0
        for head, where in zip(HEADS, unit_slices().values(), strict=True):
            logits[head.name] = scores[:, where]
            if head.kind == "ordinal":
                count = len(head.labels)
                logits[head.name] = scores[:, where, None] - thresholds[None, ordinal : ordinal + count]
                ordinal += count
        return logits

    def scores(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Head logits, contributions (batch, tokens, units) and the mean token state (batch, width)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        contributions = self.contributions(states, attention_mask) + self.wide_contributions(input_ids, attention_mask)
        if attention_mask is None:
            embedding = states.mean(dim=1)
        else:
            weights = attention_mask[:, :, None].to(states.dtype)
            embedding = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return self.head_logits(contributions.sum(dim=1) + self.bias), contributions, embedding

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **targets: Tensor) -> dict[str, Tensor]:
        """The weighted multi-task loss; labels that a row does not carry (-1) have no part in it."""
        logits, _, embedding = self.scores(input_ids, attention_mask)
        loss = self.loss({name: value.float() for name, value in logits.items()}, targets)
        return {"loss": loss + self.weights.mood * _choice_loss(self.mood(embedding).float(), targets["mood"])}

    def loss(self, logits: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """The weighted loss of all heads that are served."""
        losses = [
            getattr(self.weights, head.name) * _loss(logits[head.name], targets[head.name], self._positive(head.name))
            for head in HEADS
            if head.kind != "choice"
        ]
        losses.append(self.weights.primary * _choice_loss(logits["primary"], targets["primary"]))
        return torch.stack(losses).sum()

    def _positive(self, head: str) -> Tensor | None:
        return getattr(self, f"positive_{head}", None)


def hashed_grams(ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Table rows of the 1-, 2- and 3-grams that end at each token, each in the shape of ``ids`` (batch, tokens)."""
    before, further = _shifted(ids, 1), _shifted(ids, 2)
    one = ids * PRIMES[0]
    two = one + before * PRIMES[1]
    three = two + further * PRIMES[2]
    return one % WIDE_ROWS, (two + 1) % WIDE_ROWS, (three + 2) % WIDE_ROWS


def _shifted(ids: Tensor, places: int) -> Tensor:
    """The token ``places`` before each one, 0 where the text has not begun."""
    return F.pad(ids, (places, 0))[:, : ids.shape[1]]


def _loss(logits: Tensor, targets: Tensor, positive: Tensor | None) -> Tensor:
    """Cross-entropy summed over a head's labels and averaged over the rows that carry the head."""
    known = (targets >= 0).float()
    each = F.binary_cross_entropy_with_logits(logits, targets.clamp(min=0), pos_weight=positive, reduction="none")
    rows = known.flatten(1).amax(dim=1).sum().clamp(min=1)
    return (each * known).sum() / rows


def _choice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    known = (targets >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits, targets, ignore_index=-1, reduction="sum") / known


def load_encoder(source: str, layers: int, keep: Literal["spread", "bottom"] = "bottom") -> BertModel:
    """A pretrained BERT-like encoder from a hub id or folder, cut to its lowest or evenly spaced ``layers``."""
    encoder = AutoModel.from_pretrained(
        source,
        dtype=torch.float32,
        attn_implementation="sdpa",
        add_pooling_layer=False,
        # Attention dropout keeps torch from its fused attention, which halves a training step on a CPU.
        attention_probs_dropout_prob=0.0,
    )
    have = len(encoder.encoder.layer)
    if not 1 <= layers <= have:
        raise ValueError(f"layers: got {layers}, {source} has {have}: choose between 1 and {have}")
    encoder.encoder.layer = nn.ModuleList(
        encoder.encoder.layer[index * have // layers if keep == "spread" else index] for index in range(layers)
    )
    encoder.config.num_hidden_layers = layers
    return encoder


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to an encoder, from a hub id or folder."""
    return AutoTokenizer.from_pretrained(source)


def save_checkpoint(network: TriageNetwork, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write weights as fp16 safetensors with the encoder's configuration, tokenizer and loss weights."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / "network.safetensors")
    network.encoder.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "loss_weights.json").write_text(json.dumps(asdict(network.weights)), encoding="utf-8")


def load_checkpoint(folder: Path, positive_weights: dict[str, list[float]] | None = None) -> TriageNetwork:
    """The network saved by ``save_checkpoint``, in evaluation mode and single precision."""
    config = AutoConfig.from_pretrained(folder)
    encoder = AutoModel.from_config(config, attn_implementation="sdpa", add_pooling_layer=False)
    network = TriageNetwork(encoder, positive_weights)
    network.load_state_dict({k: v.float() for k, v in load_file(folder / "network.safetensors").items()})
    return network.eval()
