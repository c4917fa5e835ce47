"""The network: states are standardised, tokens hidden while training only, and each score is a sum over tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.network import TriageNetwork, load_encoder

IDS = torch.tensor([[0, 9, 40, 77, 1200, 2], [0, 8, 41, 2, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])


@pytest.fixture
def network(tiny_encoder: Path) -> TriageNetwork:
    torch.manual_seed(1)
    made = TriageNetwork(load_encoder(str(tiny_encoder), 1)).eval()
    torch.nn.init.normal_(made.directions)
    torch.nn.init.normal_(made.queries)
    return made


def test_standardised_states_have_mean_zero_and_deviation_one_over_texts(network: TriageNetwork) -> None:
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(5, 9000, (8, 12), generator=generator) for _ in range(8)]
    network.standardise({"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in texts)
    with torch.no_grad():
        means = torch.cat([network.states(ids, torch.ones_like(ids)).mean(dim=1) for ids in texts])
    assert means.mean(dim=0).abs().max() < 1e-3
    assert (means.std(dim=0) - 1).abs().max() < 1e-2


def test_a_score_is_the_sum_of_its_tokens_contributions(network: TriageNetwork) -> None:
    with torch.no_grad():
        logits, contributions, _ = network.scores(IDS, MASK)
    assert torch.allclose(contributions.sum(dim=1)[:, :4] + network.bias[:4], logits["types"], atol=1e-5)
    assert contributions[1, 4:].abs().max() == 0  # padding has no part in it


def test_tokens_are_hidden_while_training_only(network: TriageNetwork) -> None:
    network.hide_tokens(1.0, 7)
    read: list[torch.Tensor] = []
    network.encoder.embeddings.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(kwargs["input_ids"].clone()), with_kwargs=True
    )
    with torch.no_grad():
        network.scores(IDS, MASK)
        network.train()
        targets = {
            "types": torch.zeros(2, 4),
            "primary": torch.zeros(2, dtype=torch.long),
            "intensity": torch.zeros(2, 1, 3),
            "emotions": torch.zeros(2, 6, 3),
            "demands": torch.zeros(2, 10),
            "risks": torch.zeros(2, 8),
            "mood": torch.zeros(2, dtype=torch.long),
        }
        network(IDS, MASK, torch.zeros(2, len(network.bias)), **targets)
    served, trained = read
    assert torch.equal(served, IDS)
    assert trained[0].tolist() == [0, 7, 7, 7, 7, 2]  # what begins and ends a text stays
