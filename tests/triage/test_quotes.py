"""A quotation is the other side's only where a cue right before it says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.listening.facts import extract_facts
from triage.listening.quotes import own_words, quoted_spans
from triage.redaction import redact
from triage.text import clean

MARKS = '“”‘’「」『』"'
PIECES = [*MARKS, *"，。！: ", "客服", "张经理", "说", "骂我", "我", "跟", "不想活", "你去死吧", "<PHONE>", "昨天"]


def statements(text: str) -> list[str]:
    return [fact.text for fact in extract_facts(redact(clean(text))[0], None) if fact.kind == "statement"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_quotations_never_overlap_and_lie_between_marks(text: str) -> None:
    done = 0
    for quote in quoted_spans(text):
        assert done <= quote.start < quote.end <= len(text)
        assert text[quote.start - 1] in MARKS
        assert text[quote.end] in MARKS
        done = quote.end


def test_what_the_other_side_answered_is_kept_up_to_the_turn_of_the_sentence() -> None:
    assert statements("客服小李承诺三天内退款，但是一直没退") == ["客服小李承诺三天内退款"]
    assert statements("我跟客服说了要退款。") == []


def speakers(text: str) -> dict[str, str]:
    cleaned = clean(text).text
    return {cleaned[q.start : q.end]: q.speaker for q in quoted_spans(cleaned)}


@pytest.mark.parametrize(
    "text",
    [
        "客服说‘你去死吧’",
        "催收威胁我：“你去死吧”",
        "他们直接骂我「你去死吧」",
        '商家回复："你去死吧"',
        "工作人员竟然对我说了一句『你去死吧』",
        "催收发来短信:“你去死吧”",
        "对方客服称“你去死吧”",
    ],
)
def test_a_quotation_with_a_speaker_right_before_it_is_the_other_side_s(text: str) -> None:
    assert {q.speaker for q in quoted_spans(clean(text).text)} == {"other_side"}


@pytest.mark.parametrize(
    "text",
    [
        "我跟客服说“我不想活了”",
        "我对他们客服说：“我不想活了”",
        "我说“我不想活了”",
        "“我不想活了”",
        "客服骂完我说“我不想活了”",
        "客服让我妈说“我不想活了”",
        "客服不理我。我女儿说“我不想活了”",
        "在你们“旗舰店”买的",
        "我告诉客服经理，“我不想活了”",
        "他老婆说“我不想活了”",
    ],
)
def test_a_quotation_that_may_be_the_customer_s_stays_unknown(text: str) -> None:
    assert {q.speaker for q in quoted_spans(clean(text).text)} == {"unknown"}


def test_the_customer_s_words_inside_the_other_side_s_quotation_stay_unknown() -> None:
    found = speakers("客服说“你自己说‘不想活了’，关我们什么事”")
    assert found["不想活了"] == "unknown"
    assert found[",关我们什么事"] == "other_side"


def test_the_other_side_s_words_inside_the_customer_s_quotation_are_theirs() -> None:
    found = speakers("我跟经理讲“你们客服骂我‘去死吧’，我很难过”")
    assert found["去死吧"] == "other_side"
    assert found[",我很难过"] == "unknown"


def test_a_mark_that_is_never_closed_quotes_nothing() -> None:
    assert quoted_spans("客服说“你去死吧，我不想活了") == ()


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_own_words_keep_every_offset_and_lose_nothing_but_the_other_side_s(text: str) -> None:
    theirs = {i for q in quoted_spans(text) if q.speaker == "other_side" for i in range(q.start, q.end)}
    assert own_words(text) == "".join(" " if i in theirs else c for i, c in enumerate(text))


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("客服说‘你去死吧’，我很难过", "客服说‘    ’，我很难过"),
        ("客服说“去死”，催收骂我“还钱”，退款", "客服说“  ”，催收骂我“  ”，退款"),
        ("我跟客服说“我不想活了”", "我跟客服说“我不想活了”"),
        ("“我不想活了”，就这样", "“我不想活了”，就这样"),
        ("客服说“你去死吧，我不想活了", "客服说“你去死吧，我不想活了"),
        ("没有引号", "没有引号"),
    ],
)
def test_own_words_blank_what_is_surely_the_other_side_s_and_keep_an_unknown_speaker(text: str, own: str) -> None:
    assert own_words(text) == own


def test_own_words_keep_the_customer_s_words_that_the_other_side_repeats() -> None:
    assert own_words("客服说“你自己说‘不想活了’,关我们什么事”") == "客服说“    ‘不想活了’       ”"


def test_own_words_blank_the_other_side_s_words_that_the_customer_repeats() -> None:
    assert own_words("我跟经理讲“你们客服骂我‘去死吧’,我很难过”") == "我跟经理讲“你们客服骂我‘   ’,我很难过”"
