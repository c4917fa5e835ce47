"""Cleaning: what the model reads, and that every span still points into what the customer wrote."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triage.text import AlignedText, clean

PIECES = [
    "识", "識", "保", "險", "乾", "清", "宮", "陳", "昇", "退款", "，", "！", "!", "。", "…", "　", " ", "\n",
    "\u2028", "（", "）", "(", ")", "shí", "bao", "bao3", "xian", "lv", "nǚ", "ai", "AI", "app", "１", "①",
    "½", "㈱", "℃", "ﬁ", "ｶ", "ﾞ", "が", "\u3099", "é", "\u0301", "\u0323", "\u0338", "=", "¨", "\u1100",
    "\u1161", "\u11a8", "ﾡ", "ㅏ", "\u200b", "\u200d", "\ufeff", "\ufe0f", "😡", "👨‍👩‍👧", "\ud800",
    "\ue000", "\x00", "\x1f", "*", "_", "<PHONE>", "ﷺ",
]  # fmt: skip
ANY_TEXT = st.text(st.characters(), max_size=40)
CHINESE_TEXT = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@given(st.one_of(ANY_TEXT, CHINESE_TEXT))
@example("识(shi)(shi)(shi)")
@example("乾清宮")
@example("ᄀ" + "\u200b" + "ᅡ")
@example(" \u0301 ")
def test_cleaning_a_cleaned_text_changes_nothing(original: str) -> None:
    cleaned = clean(original).text
    assert clean(cleaned).text == cleaned


@given(st.one_of(ANY_TEXT, CHINESE_TEXT))
def test_every_character_points_into_the_original_in_order(original: str) -> None:
    aligned = clean(original)
    assert len(aligned.starts) == len(aligned.ends) == len(aligned.text)
    spans = [aligned.span(i, i + 1) for i in range(len(aligned.text))]
    assert all(0 <= start < end <= len(original) for start, end in spans)
    assert spans == sorted(spans)
    assert [end for _, end in spans] == sorted(end for _, end in spans)


@given(st.one_of(ANY_TEXT, CHINESE_TEXT))
def test_what_is_left_is_visible_normal_text(original: str) -> None:
    cleaned = clean(original).text
    assert unicodedata.is_normalized("NFKC", cleaned)
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert cleaned == cleaned.strip(" ")
    assert "  " not in cleaned


@given(CHINESE_TEXT, st.data())
def test_an_inner_span_lies_inside_the_outer_one(original: str, data: st.DataObject) -> None:
    aligned = clean(original)
    end = data.draw(st.integers(0, len(aligned.text)))
    start = data.draw(st.integers(0, end))
    first, last = aligned.span(start, end)
    assert 0 <= first <= last <= len(original)
    assert (start == end) <= (first == last)


@pytest.mark.parametrize(
    ("original", "cleaned"),
    [
        ("客服一直不回，我要退款！", "客服一直不回,我要退款!"),
        ("ＶＩＰ会员１２元", "VIP会员12元"),
        ("客服不回\u200b消\ufeff息", "客服不回消息"),
        ("第一行\r\n第二行\t第三行", "第一行 第二行 第三行"),
        ("　 扣了 　 两次 ", "扣了 两次"),
        ("我買的保險拒絕理賠", "我买的保险拒绝理赔"),
        ("乾隆年間的花瓶乾淨", "乾隆年间的花瓶干净"),
        ("太坑了！！！！！！！！", "太坑了!!!"),
        ("太坑了!!", "太坑了!!"),
        ("等了三天………", "等了三天..."),
        ("什么？！？！？！？！", "什么?!?!?!?!"),
        ("气死我了😡❤️👨‍👩‍👧", "气死我了😡❤👨👩👧"),
        ("卡号6222****1234，密码******", "卡号6222****1234,密码******"),
        ("本人______于__年投保", "本人______于__年投保"),
        ("联系 <PHONE> 或 <WECHAT>", "联系 <PHONE> 或 <WECHAT>"),
    ],
)
def test_known_texts(original: str, cleaned: str) -> None:
    assert clean(original).text == cleaned


@pytest.mark.parametrize(
    ("original", "cleaned"),
    [
        ("識(shí)别", "识别"),
        ("保(bao)险（xian）公司", "保险公司"),
        ("绿（lǜ）色，女(nv3)士", "绿色,女士"),
        ("平安(ping an)的业务员", "平安的业务员"),
        ("西安(xi'an)分公司", "西安分公司"),
        ("安(ān)心", "安心"),
        ("退(tui)(tui4)费", "退费"),
    ],
)
def test_pinyin_injections_are_stripped(original: str, cleaned: str) -> None:
    assert clean(original).text == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "软件(app)闪退", "智能(AI)客服", "智能(ai)客服", "局域网(lan)断了", "三栋(a1)门口", "第(3)条",
        "银行(ICBC)", "(bao)险", "app(bao)", "保(bao xian)险", "产品(v2)坏了", "客服(小王)说", "保(baox)险",
    ],
)  # fmt: skip
def test_other_brackets_stay(text: str) -> None:
    assert clean(text).text == text


def test_spans_lead_back_across_every_kind_of_change() -> None:
    original = " 我買\u200b的保(bao)險！！！！！！不賠…"
    aligned = clean(original)
    assert aligned.text == "我买的保险!!!不赔..."

    def back(part: str) -> str:
        start = aligned.text.index(part)
        return original[slice(*aligned.span(start, start + len(part)))]

    assert back("买的") == "買\u200b的"
    assert back("保险") == "保(bao)險"
    assert back("!!!") == "！！！！！！"
    assert back("不赔") == "不賠"
    assert back("...") == "…"


def test_a_text_that_needs_nothing_is_kept_as_ranges() -> None:
    aligned = clean("物流三天不动,客服不理人。")
    assert (aligned.starts, aligned.ends) == (range(13), range(1, 14))


def test_span_of_nothing_and_outside() -> None:
    assert clean("\u200b").span(0, 0) == (0, 0)
    aligned = clean("\u200b退款")
    assert (aligned.span(0, 0), aligned.span(2, 2)) == ((1, 1), (3, 3))
    for start, end in [(0, 3), (-1, 1), (2, 1)]:
        with pytest.raises(IndexError, match="expected one inside"):
            aligned.span(start, end)


def test_edits_index_the_original_through_earlier_edits() -> None:
    aligned = AlignedText.identity("电话13800138000谢谢").replace([(2, 13, "<PHONE>")]).replace([(0, 2, "")])
    assert aligned.text == "<PHONE>谢谢"
    assert aligned.span(0, 7) == aligned.span(3, 4) == (2, 13)
    assert aligned.span(7, 9) == (13, 15)


@pytest.mark.parametrize("text", ["识" + "(shi)" * 3000, "a\u200b" * 5000, "が゙" * 5000, "！" * 20000, "(" * 20000])
def test_hostile_texts_end(text: str) -> None:
    cleaned = clean(text).text
    assert clean(cleaned).text == cleaned
