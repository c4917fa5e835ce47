"""The network: a shared encoder and linear scores on label-wise pooled token states.

For every score unit u the tokens t are weighted by a softmax a[u, t] over q[u]·h[t] and summed: score[u] = bias[u] +
sum over t of a[u, t] * (w[u]·h[t]). The summands are the contributions that evidence is read from, so the words shown
for a label are the arithmetic of its score. With q = 0, where training starts, this is plain mean pooling.

The states h are the encoder's, centred and scaled: those of a contrastively trained encoder share one long direction
beside which texts hardly differ, and linear scores on the raw states stand still for a thousand steps.

Beside this deep branch stands a wide one: 1- and 2-grams of tokens, each with a weight per unit, like a linear model
on TF-IDF. It knows rare phrases that a short fine-tuning has not learnt, and it too is a sum over tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertModel, PreTrainedTokenizerBase

from training.corpus import MOODS
from triage.taxonomy import HEADS, Head, unit_slices

WIDE_ROWS = 2**16
"""The most rows that the wide branch's table has; row 0 is for grams that have none."""
BUCKETS = 2**20
"""Pairs of tokens are hashed to so many buckets, of which the frequent ones have a row."""
PRIMES = (1_000_003, 15_485_863)
WIDE = ("row_of_bucket", "wide_table", "wide_unit", "wide_idf")
"""The buffers of the wide branch."""

LAST_SPECIAL = 3
"""Ids up to here are the beginning, padding, end and unknown tokens, in XLM-R's order."""
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

    center: Tensor
    scale: Tensor
    row_of_bucket: Tensor
    wide_table: Tensor
    wide_unit: Tensor
    wide_idf: Tensor

    def __init__(self, encoder: BertModel, positive_weights: dict[str, list[float]] | None = None) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.queries = nn.Parameter(torch.zeros(SCORE_UNITS, width))
        self.directions = nn.Parameter(torch.zeros(SCORE_UNITS, width))
        self.bias = nn.Parameter(torch.zeros(SCORE_UNITS))
        ordinal = sum(len(head.labels) for head in HEADS if head.kind == "ordinal")
        self.first_threshold = nn.Parameter(torch.zeros(ordinal))
        self.threshold_gaps = nn.Parameter(torch.ones(ordinal, LEVELS - 1))
        buckets = encoder.config.vocab_size + BUCKETS
        self.register_buffer("row_of_bucket", torch.full((buckets,), -(2**15), dtype=torch.int16))
        self.register_buffer("wide_table", torch.zeros(WIDE_ROWS, SCORE_UNITS, dtype=torch.int8))
        self.register_buffer("wide_unit", torch.zeros(SCORE_UNITS))
        self.register_buffer("wide_idf", torch.zeros(WIDE_ROWS))
        self.wide_mix = nn.Parameter(torch.ones(SCORE_UNITS))
        self.mood = nn.Linear(width, len(MOODS))
        self.weights = LossWeights()
        self.token_dropout, self.hidden_token = 0.0, 0
        for name in ("types", "demands", "risks"):
            count = len(next(head.labels for head in HEADS if head.name == name))
            self.register_buffer(
                f"positive_{name}", torch.tensor((positive_weights or {}).get(name, [1.0] * count)), persistent=False
            )

    def set_wide(self, row_of_bucket: NDArray[Any], idf: NDArray[Any], table: NDArray[Any]) -> None:
        """Take over a fitted table (rows, units), in 8 bits a weight; ``idf`` has one value a row."""
        weights = torch.from_numpy(table) * torch.from_numpy(idf)[:, None]
        self.wide_unit.copy_(weights.abs().amax(dim=0) / 127)
        self.wide_table.zero_()[: len(weights)] = (weights / self.wide_unit.clamp(min=1e-12)).round().to(torch.int8)
        self.wide_idf.zero_()[: len(idf)] = torch.from_numpy(idf)
        # Rows up to 65,535 in 16 bits, shifted because neither torch nor ONNX count on unsigned ones everywhere.
        self.row_of_bucket.copy_(torch.from_numpy(row_of_bucket) - 2**15)

    def wide_state(self) -> dict[str, Tensor]:
        """The wide branch's table; beside it fitting sets the ``offsets``."""
        return self._copied(*WIDE)

    def offsets(self) -> dict[str, Tensor]:
        """What both branches share: the biases and the ordinal thresholds."""
        return self._copied("bias", "first_threshold", "threshold_gaps")

    def _copied(self, *names: str) -> dict[str, Tensor]:
        state = self.state_dict()
        return {name: state[name].clone() for name in names}

    def hide_tokens(self, share: float, token: int) -> None:
        """While training, read ``token`` in the place of so many tokens: no text is known by one word alone."""
        self.token_dropout, self.hidden_token = share, token

    def states(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Centred and scaled token states, (batch, tokens, width)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return (states - self.center) * self.scale

    def standardise(self, batches: Iterable[dict[str, Tensor]]) -> None:
        """Centre and scale the states so that those of the texts in ``batches`` have mean 0 and deviation 1."""
        self.center.zero_()
        self.scale.fill_(1.0)
        with torch.inference_mode():
            means = torch.cat(
                [
                    _mean(self.states(batch["input_ids"], batch["attention_mask"]), batch["attention_mask"])
                    for batch in batches
                ]
            )
        self.center.copy_(means.mean(dim=0))
        self.scale.copy_(1.0 / means.std(dim=0).clamp(min=1e-3))

    def buckets(self, ids: Tensor) -> Tensor:
        """Buckets of the 1- and 2-grams that end at each token, (2, batch, tokens), of ids (batch, tokens)."""
        before = F.pad(ids, (1, 0))[:, : ids.shape[1]]
        pairs = self.encoder.config.vocab_size + (ids * PRIMES[0] + before * PRIMES[1]) % BUCKETS
        return torch.stack([ids, pairs])

    def contributions(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Per-token contributions, (batch, tokens, units), of token states (batch, tokens, width)."""
        attention = states @ self.queries.T / states.shape[-1] ** 0.5
        if mask is not None:
            attention = attention.masked_fill(mask[:, :, None] == 0, torch.finfo(attention.dtype).min)
        return attention.softmax(dim=1) * (states @ self.directions.T)

    def wide_contributions(self, input_ids: Tensor, mask: Tensor | None) -> Tensor:
        """The wide branch's share of each token, (batch, tokens, units): its grams end at that token."""
        rows = self.row_of_bucket[self.buckets(input_ids)].long() + 2**15
        idf = self.wide_idf[rows]
        shares = self.wide_table[rows].float().sum(dim=0) * self.wide_unit
        if mask is not None:
            idf, shares = idf * mask, shares * mask[:, :, None]
        return shares / idf.square().sum(dim=(0, 2)).sqrt().clamp(min=1e-6)[:, None, None]

    def head_logits(self, scores: Tensor) -> dict[str, Tensor]:
        """Logits by head of unit scores (batch, units): (batch, labels), ordinal heads (batch, labels, 3)."""
        thresholds = ordinal_thresholds(self.first_threshold, self.threshold_gaps)
        ordinal, logits = self.ordinal_slices(), {}
        for head, where in zip(HEADS, unit_slices().values(), strict=True):
            logits[head.name] = scores[:, where]
            if head.kind == "ordinal":
                logits[head.name] = scores[:, where, None] - thresholds[None, ordinal[where.start]]
        return logits

    def ordinal_slices(self) -> dict[int, slice]:
        """Where each ordinal head's labels stand among all ordinal ones, by the head's first score unit."""
        slices, start = {}, 0
        for head, where in zip(HEADS, unit_slices().values(), strict=True):
            if head.kind == "ordinal":
                slices[where.start] = slice(start, start + len(head.labels))
                start += len(head.labels)
        return slices

    def scores(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Head logits, contributions (batch, tokens, units) and the mean token state (batch, width)."""
        states = self.states(input_ids, attention_mask)
        wide = self.wide_contributions(input_ids, attention_mask)
        contributions = self.contributions(states, attention_mask) + wide * self.wide_mix
        return self.head_logits(contributions.sum(dim=1) + self.bias), contributions, _mean(states, attention_mask)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, wide: Tensor, **targets: Tensor) -> dict[str, Tensor]:
        """The weighted multi-task loss, and the scores (batch, units); labels that a row lacks (-1) have no part in it.

        ``wide`` (batch, units) are the cross-fitted scores of ``training.wide``, which the deep branch adds to.
        """
        if self.training and self.token_dropout:
            hidden = (torch.rand(input_ids.shape) < self.token_dropout) & (input_ids > LAST_SPECIAL)
            input_ids = input_ids.masked_fill(hidden, self.hidden_token)
        states = self.states(input_ids, attention_mask)
        scores = self.contributions(states, attention_mask).sum(dim=1) + wide * self.wide_mix + self.bias
        logits = {name: value.float() for name, value in self.head_logits(scores).items()}
        mood = _choice_loss(self.mood(_mean(states, attention_mask)).float(), targets["mood"])
        return {"loss": self.loss(logits, targets) + self.weights.mood * mood, "scores": scores.float()}

    def loss(self, logits: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """The weighted loss of all heads that are served."""
        return torch.stack(
            [
                getattr(self.weights, head.name) * self.head_loss(head, logits[head.name], targets[head.name])
                for head in HEADS
            ]
        ).sum()

    def head_loss(self, head: Head, logits: Tensor, targets: Tensor) -> Tensor:
        """One head's loss: mean over the rows that carry it, sum over its labels."""
        if head.kind == "choice":
            return _choice_loss(logits, targets)
        return _loss(logits, targets, getattr(self, f"positive_{head.name}", None))


def ordinal_thresholds(first: Tensor, gaps: Tensor) -> Tensor:
    """Rising thresholds (labels, 3) of the levels 1–3 from the first one (labels) and raw gaps (labels, 2)."""
    steps = F.softplus(gaps).cumsum(dim=1)
    return first[:, None] + torch.cat([torch.zeros_like(steps[:, :1]), steps], dim=1)


def _mean(states: Tensor, mask: Tensor | None) -> Tensor:
    """The mean token state, (batch, width)."""
    if mask is None:
        return states.mean(dim=1)
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


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
        # The backward pass of torch's fused attention takes a third of a bf16 step on a CPU; plain products do not.
        attn_implementation="eager",
        add_pooling_layer=False,
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
    """The tokenizer that belongs to an encoder, from a hub id or folder; a bundle keeps it beside its checkpoint."""
    beside = Path(source).parent / "tokenizer.json"
    if beside.exists() and not (Path(source) / "tokenizer.json").exists():
        return AutoTokenizer.from_pretrained(source, tokenizer_file=str(beside))
    return AutoTokenizer.from_pretrained(source)


def save_checkpoint(network: TriageNetwork, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write weights as fp16 safetensors with the encoder's configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, folder / "network.safetensors")
    network.encoder.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_checkpoint(folder: Path, positive_weights: dict[str, list[float]] | None = None) -> TriageNetwork:
    """The network saved by ``save_checkpoint``, in evaluation mode and single precision.

    Raises ValueError for a checkpoint of another form of the network.
    """
    config = AutoConfig.from_pretrained(folder)
    encoder = AutoModel.from_config(config, attn_implementation="sdpa", add_pooling_layer=False)
    network = TriageNetwork(encoder, positive_weights)
    state = load_file(folder / "network.safetensors")
    if different := sorted(state.keys() ^ network.state_dict().keys()):
        raise ValueError(f"{folder}: expected a checkpoint of this version of the network, it differs in {different}")
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return network.eval()
