"""Screening: what is turned away before the network, and that real complaints, however short or rude, are not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage import words
from triage.redaction import redact
from triage.screening import screen
from triage.text import clean

GB2312_LEVEL_1 = [bytes([row, cell]).decode("gb2312") for row in range(0xB0, 0xD7) for cell in range(0xA1, 0xFA)]
UNIFIED = [chr(code) for code in range(0x4E00, 0x9FA6)]


def code(text: str) -> str | None:
    reason = screen(redact(clean(text))[0].text)
    return reason and reason.code


@pytest.mark.parametrize(
    "text",
    [
        "太差", "退钱", "质量差", "有没有客服", "滚", "馊", "垃圾", "骗子公司", "垃圾app", "app闪退",
        "退退退!", "差评!!!", "拒赔", "无语", "快递丢件", "吃出蟑螂", "踢皮球", "杀熟", "黑店", "不退款",
        "物流龟速", "想死", "客服态度差 terrible service never again", "iPhone15 Pro Max 256G 坏了",
        "WTF 退款", "打了<PHONE>没人接", "啊啊啊啊啊啊啊退钱", "退钱退钱退钱退钱退钱", "我我我等了半个月了",
        "2024年3月1日扣99元 4月1日扣99元 5月1日又扣99元", "你哋再唔退钱我就去消委会投诉，唔好以为我讲笑",
        "我想问下，你们哪里的勇气卖二手的，假的一匹！！",
        "月落乌啼霜满天，江枫渔火对愁眠。姑苏城外寒山寺，夜半钟声到客船。",
    ],
)  # fmt: skip
def test_texts_a_person_can_read_pass(text: str) -> None:
    assert code(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \u200b\n", "empty"),
        ("12345 ！！ 😡😡", "no_words"),
        ("13800138000", "no_words"),
        ("。。。。。。", "no_words"),
        ("******", "no_words"),
        ("The parcel never came and nobody answers the phone.", "non_chinese"),
        ("I bought it in 中国 last year and the seller refuses to give the money back", "non_chinese"),
        ("def refund(order):\n    return order.total - order.fee", "non_chinese"),
        ("SELECT name FROM orders WHERE paid = 0;", "non_chinese"),
        ("asdkfj lkjwer oiuwe", "non_chinese"),
        ("サービスが悪いです、返金してください", "non_chinese"),
        ("환불해 주세요", "non_chinese"),
        ("Верните деньги", "non_chinese"),
        ("啊啊啊啊啊啊啊啊", "gibberish"),
        ("一一一一一一一一一一", "gibberish"),
        ("龘靐齉爩", "gibberish"),
        ("阿斯顿发斯蒂芬撒旦法阿萨德", "gibberish"),
        ("啊手动阀手动阀阿斯蒂芬啊实打实", "gibberish"),
    ],
)  # fmt: skip
def test_texts_nobody_can_triage(text: str, expected: str) -> None:
    assert code(text) == expected


def test_reasons_are_chinese_sentences() -> None:
    for text in ("", "123", "hello there", "啊啊啊啊啊啊啊啊"):
        reason = screen(text)
        assert reason is not None
        assert reason.text.endswith("。")
        assert code(reason.text) is None


@pytest.mark.parametrize("alphabet", [GB2312_LEVEL_1, UNIFIED], ids=["common", "any"])
def test_random_characters_are_caught(alphabet: list[str]) -> None:
    choose = random.Random(20)
    texts = ["".join(choose.choices(alphabet, k=choose.choice([6, 10, 20, 50, 100]))) for _ in range(300)]
    assert sum(code(text) == "gibberish" for text in texts) >= 0.9 * len(texts)


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    assert code(text) in {None, "empty", "no_words", "non_chinese", "gibberish"}


@pytest.mark.shared
@pytest.mark.skipif("FENZHEN_DATA" not in os.environ, reason="FENZHEN_DATA does not point at the corpora")
def test_hardly_any_real_complaint_is_turned_away() -> None:
    lines = (Path(os.environ["FENZHEN_DATA"]) / "complaints" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert sum(code(text) is not None for text in texts) <= 0.005 * len(texts)


@given(st.text(max_size=60))
def test_words_are_the_text_in_order(text: str) -> None:
    cut = words.cut(text)
    assert "".join(word for word, _, _ in cut) == text
    assert all(text[start:end] == word for word, start, end in cut)


def test_words_are_cut_as_by_the_dictionary_they_are_counted_in(samples: list[dict[str, Any]]) -> None:
    """rjieba brings a copy of jieba's dictionary: if the two ever part, evidence and screening speak of other words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's sources hold invalid escapes
        import jieba
    whole = jieba.Tokenizer()
    with (Path(jieba.__file__).parent / "dict.txt").open("rb") as lines:
        whole.FREQ, whole.total = whole.gen_pfdict(lines)
    whole.initialized = True
    for row in samples:
        text = redact(clean(row["text"]))[0].text
        assert [word for word, _, _ in words.cut(text)] == list(whole.cut(text, HMM=False))
    assert words.frequencies() == {word: n for word, n in whole.FREQ.items() if n and len(word) <= 2}


def test_words_are_whole() -> None:
    assert [word for word, _, _ in words.cut("要求保险公司退款")] == ["要求", "保险公司", "退款"]


def test_importing_and_loading_the_dictionary_is_quiet() -> None:
    program = "import triage.screening, triage.words; triage.words.frequencies(); triage.words.cut('退款')"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
