"""Where complaints end: texts that are no customer's message at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from training.domain import fit_domain, read_foreign
from triage import load_pipeline

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "data" / "samples" / "out_of_domain.jsonl"


def test_the_boundary_leaves_complaints_alone() -> None:
    random = np.random.default_rng(3)
    own, unseen = (random.normal(size=(600, 12)) * np.linspace(0.2, 3, 12) for _ in range(2))
    foreign = random.normal(size=(40, 12)) * np.linspace(0.2, 3, 12) + np.eye(12)[0] * 1.5
    domain = fit_domain(own, foreign, unseen)
    inside, outside = (rows @ np.array(domain.weights) + domain.bias > 0 for rows in (unseen, foreign))
    assert inside.mean() <= 0.02
    assert outside.mean() >= 0.9


def test_about_a_third_of_each_kind_is_kept_for_measuring() -> None:
    examples = read_foreign(EXAMPLES)
    held_out = Counter(example.reason for example in examples if example.held_out)
    assert set(held_out) == {"poem", "news", "english", "code", "gibberish", "emoji"}
    assert all(5 <= count <= 20 for count in held_out.values())


def test_the_champion_abstains_on_examples_nothing_was_fitted_on() -> None:
    pipeline = load_pipeline(ROOT / "models")
    kept = [example for example in read_foreign(EXAMPLES) if example.held_out]
    silent = Counter(example.reason for example in kept if pipeline.triage(example.text).abstained)
    every = Counter(example.reason for example in kept)
    assert sum(silent.values()) >= 0.9 * len(kept), {reason: (silent[reason], every[reason]) for reason in every}


def test_the_champion_answers_our_own_complaints() -> None:
    from training.compare import read_complaints

    pipeline = load_pipeline(ROOT / "models")
    complaints = [c for c in read_complaints(ROOT / "data" / "samples") if c.row["primary"] != 4]
    taken_for_foreign = [
        c.row["id"]
        for c in complaints
        if (reason := pipeline.triage(c.ticket).abstain_reason) and reason.code == "not_a_message"
    ]
    assert len(taken_for_foreign) <= 0.03 * len(complaints), taken_for_foreign
