"""Fitting the wide branch on what the deep one leaves unexplained.

The deep scores of every row are computed once and held; only the table of n-gram weights and the biases are learnt, as
an L2-regularised regression by L-BFGS over all rows. Of a few strengths of regularisation the one with the least loss
on the calibration split is kept, and none at all if the deep branch is better alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
import torch
from datasets import Dataset
from torch import Tensor

from training.network import TriageNetwork
from training.progress import track
from triage.taxonomy import HEADS

log = structlog.get_logger()

CHUNK = 512
STEPS = 30
STRENGTHS = (1e-4, 3e-5, 1e-5)
"""L2 strengths tried, strongest first, in units of the mean loss of a row."""


@dataclass(frozen=True)
class _Rows:
    """Token ids (rows, tokens), mask and targets of a split, with the deep branch's unit scores (rows, units).

    Rows stand in the order of their length, so that a chunk of them needs little padding.
    """

    ids: Tensor
    mask: Tensor
    targets: dict[str, Tensor]
    deep: Tensor


def fit_wide(network: TriageNetwork, train: Dataset, held_out: Dataset, pad: int) -> None:
    """Learn ``network.wide`` in place; both splits carry ``input_ids`` and a target column per head."""
    network.eval()
    learn, check = _read(network, train, pad, "deep scores"), _read(network, held_out, pad, "deep scores, held out")
    learnt = [network.wide.weight, network.bias]
    with torch.no_grad():
        network.wide.weight.zero_()
        best, kept = _loss(network, check), [p.clone() for p in learnt]
        log.info("wide", strength=None, held_out_loss=round(best, 4))
    for strength in STRENGTHS:
        _fit(network, learn, strength)
        with torch.no_grad():
            loss = _loss(network, check)
        log.info("wide", strength=strength, held_out_loss=round(loss, 4))
        if loss >= best:
            break
        best, kept = loss, [p.detach().clone() for p in learnt]
    with torch.no_grad():
        for parameter, value in zip(learnt, kept, strict=True):
            parameter.copy_(value)


def _fit(network: TriageNetwork, rows: _Rows, strength: float) -> None:
    """L-BFGS from where the table stands now: a weaker regularisation starts from the stronger one's solution."""
    learnt = [network.wide.weight, network.bias]
    optimizer = torch.optim.LBFGS(learnt, max_iter=STEPS, history_size=6, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        penalty = strength * network.wide.weight.square().sum()
        penalty.backward()
        return _loss(network, rows, backward=True) + float(penalty.detach())

    optimizer.step(closure)


def _loss(network: TriageNetwork, data: _Rows, backward: bool = False) -> float:
    """Mean loss of the rows; with ``backward`` its gradient is added to the parameters'."""
    total = 0.0
    for rows in torch.arange(len(data.ids)).split(CHUNK):
        width = int(data.mask[rows].sum(dim=1).max())
        wide = network.wide_contributions(data.ids[rows, :width], data.mask[rows, :width]).sum(dim=1)
        logits = network.head_logits(data.deep[rows] + wide + network.bias)
        loss = network.loss(logits, {n: value[rows] for n, value in data.targets.items()}) * (len(rows) / len(data.ids))
        if backward:
            loss.backward()
        total += float(loss.detach())
    return total


def _read(network: TriageNetwork, data: Dataset, pad: int, what: str) -> _Rows:
    lists = sorted(zip(data["input_ids"], range(len(data)), strict=True), key=lambda pair: len(pair[0]))
    order = torch.tensor([index for _, index in lists])
    longest = len(lists[-1][0])
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row, _ in lists])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in lists])
    deep = torch.zeros(len(lists), network.bias.shape[0])
    with torch.no_grad():
        for start in track(range(0, len(lists), 32), what):
            rows = slice(start, start + 32)
            width = int(mask[rows].sum(dim=1).max())
            states = network.encoder(input_ids=ids[rows, :width], attention_mask=mask[rows, :width]).last_hidden_state
            deep[rows] = network.contributions(states, mask[rows, :width]).sum(dim=1)
    return _Rows(ids, mask, {head.name: torch.tensor(list(data[head.name]))[order] for head in HEADS}, deep)
