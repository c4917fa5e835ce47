"""The wide branch: a linear model on token 1- and 2-grams, learnt before the deep branch, which learns what it leaves.

What a linear model knows of a row it was trained on says nothing of a new text. So the deep branch sees, for every
training row, the scores of a wide branch that never saw that row (cross-fitting); the table that is served is fitted
on all rows. The strength of its regularisation is the one whose cross-fitted scores rank best.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.metrics import average_precision_score
from torch import Tensor

from training.network import BUCKETS, LEVELS, PRIMES, SCORE_UNITS, WIDE_ROWS, TriageNetwork, ordinal_thresholds
from training.progress import track
from triage.taxonomy import HEADS, Head, unit_slices

log = structlog.get_logger()

FOLDS = 4
STEPS = 120
STRENGTHS = (1e-4, 3e-5, 1e-5, 3e-6)
"""L2 strengths tried, strongest first, in units of the mean loss of a row."""
FEWEST_TEXTS = 3
"""A gram of fewer training texts than this gets no row of its own."""

Numbers = NDArray[Any]


def fit_wide(network: TriageNetwork, ids: list[list[int]], targets: dict[str, Tensor], names: list[str]) -> Tensor:
    """Learn ``network``'s wide branch in place; return the cross-fitted scores of the rows, (rows, units).

    ``ids`` are the token ids of each training text, ``targets`` one tensor (rows, …) per head, ``names`` the rows'
    names. Heads share the grams and nothing else: each is fitted alone, with a strength of its own.
    """
    vocabulary = network.encoder.config.vocab_size
    text, bucket = _grams(ids, vocabulary)
    row_of, idf = _choose(text, bucket, len(ids), vocabulary + BUCKETS)
    features = _features(text, row_of[bucket], idf, len(ids))
    # Rows of one name are the same text, repeated or reworded: none is scored by a branch that saw another.
    folds = np.array([zlib.crc32(name.encode()) % FOLDS for name in names])
    table, crossed = np.zeros((len(idf), SCORE_UNITS), dtype=np.float32), torch.zeros(len(ids), SCORE_UNITS)
    for head, where in track(list(zip(HEADS, unit_slices().values(), strict=True)), "wide branch"):
        known = np.flatnonzero(targets[head.name].reshape(len(ids), -1).amin(dim=1).numpy() >= 0)
        strength, crossed[:, where] = _cross_fit(network, head, features, targets[head.name], known, folds)
        found = _fit(network, head, features[known], targets[head.name][known], strength, None)
        table[:, where] = found.table
        found.write(network, where)
    network.set_wide(row_of, idf, table)
    return crossed


def _cross_fit(
    network: TriageNetwork, head: Head, features: Any, targets: Tensor, known: Numbers, folds: Numbers
) -> tuple[float, Tensor]:
    """The strength whose cross-fitted scores rank best, and those scores (rows, units of the head) of all rows.

    Ranking, not loss, decides: how far the scores are to be trusted is learnt afterwards, unit by unit.
    """
    best, strength, kept = 0.0, STRENGTHS[0], torch.zeros(0)
    last: list[_Fitted | None] = [None] * FOLDS
    for tried in STRENGTHS:
        crossed = torch.zeros(len(folds), len(head.labels))
        for fold in range(FOLDS):
            learn, outside = known[folds[known] != fold], np.flatnonzero(folds == fold)
            found = last[fold] = _fit(network, head, features[learn], targets[learn], tried, last[fold])
            crossed[outside] = torch.from_numpy(features[outside] @ found.table)
        precision = average_precision(head, targets[known].numpy(), crossed[known].numpy())
        log.info("wide", head=head.name, strength=tried, average_precision=round(precision, 4))
        if precision > best:
            best, strength, kept = precision, tried, crossed
    return strength, kept


def average_precision(head: Head, targets: Numbers, scores: Numbers) -> float:
    """Mean over the head's units; over their levels too where these are ordinal."""
    if head.kind == "choice":
        targets = np.eye(len(head.labels))[targets]
    values = [
        average_precision_score(gold >= 0.5, scores[:, unit])
        for unit in range(scores.shape[1])
        for gold in targets[:, unit].reshape(len(targets), -1).T
        if (gold >= 0.5).any()
    ]
    return float(np.mean(values)) if values else 0.0


def _grams(ids: list[list[int]], vocabulary: int) -> tuple[Numbers, Numbers]:
    """(text index, bucket) of every 1- and 2-gram; the same arithmetic as ``TriageNetwork.buckets``."""
    flat = np.concatenate([np.array(row, dtype=np.int64) for row in ids])
    text = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    before = np.concatenate([[0], flat[:-1]])
    before[np.concatenate([[True], text[1:] != text[:-1]])] = 0
    pairs = vocabulary + (flat * PRIMES[0] + before * PRIMES[1]) % BUCKETS
    return np.concatenate([text, text]), np.concatenate([flat, pairs])


def _choose(text: Numbers, bucket: Numbers, texts: int, buckets: int) -> tuple[Numbers, Numbers]:
    """The table row of each bucket (0 for those without one) and the inverse document frequency of each row."""
    once = np.unique(text * buckets + bucket) % buckets
    frequency = np.bincount(once, minlength=buckets)
    chosen = np.argsort(-frequency, kind="stable")[: WIDE_ROWS - 1]
    chosen = chosen[frequency[chosen] >= FEWEST_TEXTS]
    row_of = np.zeros(buckets, dtype=np.int64)
    row_of[chosen] = np.arange(1, len(chosen) + 1)
    idf = np.concatenate([[0.0], np.log((1 + texts) / (1 + frequency[chosen])) + 1.0])
    return row_of, idf.astype(np.float16).astype(np.float32)


def _features(text: Numbers, row: Numbers, idf: Numbers, texts: int) -> Any:
    """Sparse features (texts, rows): each occurrence adds its idf; a text's vector is scaled to about unit length."""
    counts = csr_matrix((idf[row], (text, row)), shape=(texts, len(idf)), dtype=np.float32)
    length = np.sqrt(np.bincount(text, weights=idf[row] ** 2, minlength=texts))
    return csr_matrix(counts.multiply(1.0 / np.maximum(length, 1e-6)[:, None]), dtype=np.float32)


@dataclass
class _Fitted:
    """One head's table (rows, units), biases (units) and, where it is ordinal, thresholds (first, gaps)."""

    table: Numbers
    bias: Tensor
    thresholds: tuple[Tensor, Tensor] | None

    def logits(self, scores: Tensor) -> Tensor:
        """The head's logits of table scores (rows, units), as ``TriageNetwork.head_logits`` makes them."""
        if self.thresholds is None:
            return scores + self.bias
        return scores[:, :, None] - ordinal_thresholds(*self.thresholds)

    def write(self, network: TriageNetwork, where: slice) -> None:
        """Let the network start from these biases and thresholds."""
        with torch.no_grad():
            network.bias[where] = self.bias
            if self.thresholds is not None:
                ordinal = network.ordinal_slices()[where.start]
                network.first_threshold[ordinal] = self.thresholds[0]
                network.threshold_gaps[ordinal] = self.thresholds[1]


def _fit(
    network: TriageNetwork, head: Head, features: Any, targets: Tensor, strength: float, start: _Fitted | None
) -> _Fitted:
    """A head's table of least loss, by L-BFGS; a weaker regularisation starts from the stronger one's solution."""
    units = len(head.labels)
    if start is None:
        ordinal = (torch.zeros(units), torch.ones(units, LEVELS - 1)) if head.kind == "ordinal" else None
        start = _Fitted(np.zeros((features.shape[1], units), dtype=np.float32), torch.zeros(units), ordinal)
    table = torch.from_numpy(start.table).clone()
    others = [start.bias.clone()] if start.thresholds is None else [part.clone() for part in start.thresholds]
    learnt = [table, *others]
    for parameter in learnt:
        parameter.requires_grad_()
    current = (
        _Fitted(start.table, others[0], None)
        if start.thresholds is None
        else _Fitted(start.table, start.bias, (others[0], others[1]))
    )
    transposed = csr_matrix(features.T)
    optimizer = torch.optim.LBFGS(
        learnt, max_iter=STEPS, history_size=10, tolerance_change=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        scores = torch.from_numpy(features @ table.detach().numpy()).requires_grad_()
        loss = network.head_loss(head, current.logits(scores), targets)
        loss.backward()
        assert scores.grad is not None
        table.grad = torch.from_numpy(transposed @ scores.grad.numpy()) + 2 * strength * table.detach()
        return float(loss.detach()) + strength * float(table.detach().square().sum())

    optimizer.step(closure)
    thresholds = current.thresholds and (current.thresholds[0].detach(), current.thresholds[1].detach())
    return _Fitted(table.detach().numpy(), current.bias.detach(), thresholds)
