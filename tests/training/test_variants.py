"""Variants: another wording, the same matter; labels, names and splits are those of the original."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from datasets import Dataset

from training.variants import TORN, Variants, with_variants

TEXTS = [
    "上个月交的住院发票，到现在理赔款没到账。客服说在审核，一直让我等！我要投诉你们。",
    "退款申请被拒绝了，理由是超过七天；可是快递第八天才送到，这不是欺骗消费者吗？",
    "贷款的利息比合同写的高，银行不给解释。",
    "信用卡被扣年费，请退回。",
]
KINDS = ("politeness", "boilerplate", "order", "homophone", "torn", "inserted")


@pytest.fixture(scope="module")
def variants() -> Variants:
    return Variants(TEXTS * 3)


def drawn(variants: Variants, kind: str) -> list[str]:
    return [variants.kinds[kind](text, random.Random(seed)) for text in TEXTS for seed in range(20)]


def test_there_is_a_kind_for_each_way_of_changing_nothing(variants: Variants) -> None:
    assert tuple(variants.kinds) == KINDS


@pytest.mark.parametrize("kind", ["politeness", "boilerplate"])
def test_what_is_put_around_a_text_leaves_the_text_whole(variants: Variants, kind: str) -> None:
    for number, variant in enumerate(drawn(variants, kind)):
        assert TEXTS[number // 20] in variant
        assert variant != TEXTS[number // 20]


def test_sentences_change_places_and_nothing_else(variants: Variants) -> None:
    found = drawn(variants, "order")
    for number, variant in enumerate(found):
        assert Counter(variant) == Counter(TEXTS[number // 20])
    assert len({*found}) > len(TEXTS)


def test_a_homophone_stands_for_one_character(variants: Variants) -> None:
    misspelt = Variants(["退款一直没到账，客服让我等", "腿宽已知美道帐，刻服让沃登"])
    for seed in range(20):
        variant = misspelt.kinds["homophone"]("退款没到账，让我等", random.Random(seed))
        changed = [(a, b) for a, b in zip("退款没到账，让我等", variant, strict=True) if a != b]
        assert 0 < len(changed) <= 5
        assert set(changed) <= {*zip("退款没到账我等", "腿宽美道帐沃登", strict=True)}


def test_torn_characters_can_be_put_together_again(variants: Variants) -> None:
    for number, variant in enumerate(drawn(variants, "torn")):
        for whole, parts in TORN.items():
            variant = variant.replace(parts, whole)
        assert variant == TEXTS[number // 20]


def test_variants_carry_the_labels_and_the_name_of_their_original() -> None:
    rows = [{"id": f"r{n}", "text": text, "primary": n % 3, "slice": ""} for n, text in enumerate(TEXTS * 5)]
    rows.append({"id": "mood", "text": "今天真开心，天气也好。", "primary": -1, "slice": ""})
    more = with_variants(Dataset.from_list(rows), 0.5, seed=3)
    added = list(more)[len(rows) :]
    assert 5 <= len(added) <= 10
    by_id = {row["id"]: row for row in rows}
    for row in added:
        original = by_id[row["id"]]
        assert row["primary"] == original["primary"] >= 0
        assert row["text"] != original["text"]


def test_the_same_seed_draws_the_same_variants() -> None:
    rows = Dataset.from_list([{"id": f"r{n}", "text": t, "primary": 1, "slice": ""} for n, t in enumerate(TEXTS * 5)])
    assert with_variants(rows, 0.5, seed=3)["text"] == with_variants(rows, 0.5, seed=3)["text"]
    assert len(with_variants(rows, 0.0, seed=3)) == len(rows)
