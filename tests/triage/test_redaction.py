"""Masking: what must never be stored is found however it is written, and what a handler needs stays readable."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.cn import ric

from triage.redaction import is_personal, redact, redact_json
from triage.text import clean

MOBILE = "13800138000"
ID_NUMBER = "11010519491231002X"
CARD = "6222020200112233446"


def masked(text: str) -> str:
    return redact(clean(text))[0].text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("打13800138000找我", "打<PHONE>找我"),
        ("138 0013 8000", "<PHONE>"),
        ("138-0013-8000", "<PHONE>"),
        ("1380 013 8000", "<PHONE>"),
        ("1 3 8 0 0 1 3 8 0 0 0", "<PHONE>"),
        ("+86 13800138000", "<PHONE>"),
        ("(+86)138-0013-8000", "<PHONE>"),
        ("8613800138000", "<PHONE>"),
        ("１３８００１３８０００", "<PHONE>"),
        ("138\u200b0013\u200b8000", "<PHONE>"),
        ("①③⑧00138000", "<PHONE>"),
        ("一三八零零一三八零零零", "<PHONE>"),
        ("幺三八〇〇一三八〇〇〇", "<PHONE>"),
        ("138零零一三八000", "<PHONE>"),
        ("13800138000,13900139000", "<PHONE>,<PHONE>"),
        ("座机010-62345678", "座机<PHONE>"),
        ("(0571)8765 4321", "<PHONE>"),
        ("02162345678", "<PHONE>"),
        ("+86 21 6234 5678", "<PHONE>"),
        ("电话:62345678", "电话:<PHONE>"),
        ("+852 9123 4567", "<PHONE>"),
        (f"身份证{ID_NUMBER}", "身份证<ID>"),
        (ID_NUMBER.lower(), "<ID>"),
        ("110105 19491231 002X", "<ID>"),
        ("身份证号:110101199001011234", "身份证号:<ID>"),
        ("身份证号码是999999999999999999", "身份证号码是<ID>"),
        ("110105491231002", "<ID>"),
        (f"卡号{CARD}", "卡号<CARD>"),
        ("4111 1111 1111 1111", "<CARD>"),
        ("4111-1111-1111-1111", "<CARD>"),
        ("银行卡号:6222 0000 0000 0000 001", "银行卡号:<CARD>"),
        ("发到li.lei_88@example.com.cn即可", "发到<EMAIL>即可"),
        ("请回复：ＡＢ＠ＥＸＡＭＰＬＥ．ＣＯＭ", "请回复:<EMAIL>"),
        ("加微信abc_1988", "加微信<WECHAT>"),
        ("微信号：xiaomei-88", "微信号:<WECHAT>"),
        ("微信:zhangsanfeng", "微信:<WECHAT>"),
        ("vx:kefu_01", "vx:<WECHAT>"),
        ("加薇lawyer666", "加薇<WECHAT>"),
        ("V信号lawyer666", "V信号<WECHAT>"),
        ("wxid_9k2m4n8p7q", "<WECHAT>"),
        ("QQ:12345678", "QQ:<QQ>"),
        ("加QQ群123456789", "加QQ群<QQ>"),
        ("扣扣 987654321", "扣扣 <QQ>"),
        ("车牌京A12345", "车牌<PLATE>"),
        ("粤B·D12345的车", "<PLATE>的车"),
        ("沪A8F235被撞", "<PLATE>被撞"),
        ("苏A1234挂", "<PLATE>"),
        ("鲁b12f45", "<PLATE>"),
        ("保单号P202312345678", "保单号<NUM>"),
        ("订单号：20231234567890", "订单号:<NUM>"),
        ("订单20231234567890一直不发", "订单<NUM>一直不发"),
        ("快递单号SF1234567890123", "快递单号<NUM>"),
        ("合同编号HT-2023-00123", "合同编号<NUM>"),
        ("工单号GD20231101001", "工单号<NUM>"),
        ("账号 9876543210", "账号 <NUM>"),
        ("(2023)京0105民初12345号判决", "<NUM>判决"),
    ],
)
def test_personal_data_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "退我12800.50元", "订单金额 1000000 元", "订单1000000元", "工号 8023", "保单里第23条",
        "2026-11-21 18:30", "20261121", "2026.11.21", "2023年1月15日至2023年12月31日",
        "打95598,12315,12378,12345,110,10086都没用", "95533", "客服电话4008205555", "客服电话400-820-5555",
        "800-820-8820", "电话95588", "尾号1234", "36期,年化24%,每期1588.33元", "13800138000元",
        "涉案13800138000.00元", "一般3300-3500左右", "2020年1 3 4 5 6 7 8 10 11月都扣了",
        "手机2021-2022年买的", "iphone 3000-4000", "微信支付不了", "微信公众号没人理", "微信转账13800元",
        "微信零钱20000元", "QQ音乐会员25元", "一二三四五六七八九十", "二零二三年十一月二十一日",
        "全新iPhone12", "苏宁易购", "川A", "京东E卡500元", "GB50500-2013", "短信106905512345678发来的",
        "138****8000", "卡号6222****1234", "@客服", "版本1.2.3.4", "合同编号2026-11-21", "1700000000",
        "第1234567号座位", "满2000-100的券",
    ],
)  # fmt: skip
def test_what_a_handler_needs_stays_readable(text: str) -> None:
    assert masked(text) == text


def test_spans_index_the_original() -> None:
    original = "　联系１３８－００１３－８０００，微信：abc_1988！"
    text, redactions = redact(clean(original))
    assert text.text == "联系<PHONE>,微信:<WECHAT>!"
    assert [(r.kind, original[r.start : r.end]) for r in redactions] == [
        ("PHONE", "１３８－００１３－８０００"),
        ("WECHAT", "abc_1988"),
    ]
    assert original[slice(*text.span(2, 9))] == "１３８－００１３－８０００"
    assert MOBILE not in repr(redactions)


def test_a_number_valid_as_id_and_card_is_masked() -> None:
    heads = ("110101199003" + f"{n:05d}" for n in range(7000, 9000))
    number = next(n for head in heads if luhn.is_valid(n := head + ric.calc_check_digit(head + "0")))
    assert ric.is_valid(number)
    assert masked(f"号码{number}") in {"号码<ID>", "号码<CARD>"}


def test_the_longest_match_wins() -> None:
    assert masked(f"邮箱{MOBILE}@139.com") == "邮箱<EMAIL>"
    assert masked(f"订单号{MOBILE}4567") == "订单号<NUM>"


PIECES = [
    "<PHONE>", "<ID>", "<CARD>", "<WECHAT>", "<QQ>", "<NUM>", "<NAME>", "<USER>", MOBILE, ID_NUMBER, CARD,
    "a_1988", "abcdef", "12345678", "微信", "微信号", "vx", "加V", "QQ", "卡号", "身份证", "订单号", "保单",
    "账号", "电话", "京A", "010", "+86", ":", "：", " ", "-", ".", "@", "x", "example.com",
    "一三八零零一三八零零零", "一三", "１３８", "元", "号", "(", ")", "是", "的", "\u200b",
]  # fmt: skip
TEXT = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@given(TEXT)
def test_masking_a_masked_text_changes_nothing(original: str) -> None:
    once, redactions = redact(clean(original))
    again, more = redact(once)
    assert (again.text, more) == (once.text, ())
    assert redact_json(redacted := redact_json(original)) == redacted
    assert clean(once.text).text == once.text
    assert all(0 <= r.start < r.end <= len(original) for r in redactions)
    assert all(a.end <= b.start for a, b in pairwise(redactions))


@given(TEXT, st.sampled_from([MOBILE, ID_NUMBER, CARD, "li.lei@example.com"]), TEXT)
def test_a_number_set_apart_is_always_masked(before: str, personal: str, after: str) -> None:
    original = f"{before}。,{personal},。{after}"
    start = len(before) + 2
    _, redactions = redact(clean(original))
    assert any(r.start <= start and start + len(personal) <= r.end for r in redactions)


@given(st.text(st.sampled_from("退款客服态度差,。!我要投诉你们公司123年月"), max_size=60))
def test_ordinary_writing_is_untouched(text: str) -> None:
    assert masked(text) == clean(text).text or re.search(r"[123]{7}", text)


def test_strings_keep_everything_but_the_personal_part() -> None:
    assert redact_json("　联系：１３８００１３８０００！！！！！\n謝謝") == "　联系：<PHONE>！！！！！\n謝謝"
    assert redact_json("客服态度差，要求退款") == "客服态度差，要求退款"


def test_json_is_masked_in_depth() -> None:
    value = {
        "phone": 13800138000,
        "ids": [ID_NUMBER, {"備註": f"卡号{CARD}"}],
        "微信": "abcdef",
        "13800138000": "第一",
        "13900139000": "第二",
        "amount": 12800.5,
        "card": 6222020200112233446,
        "float": 13800138000.0,
        "count": 3,
        "vip": True,
        "none": None,
        "channel": "12378",
    }
    assert redact_json(value) == {
        "phone": "<PHONE>",
        "ids": ["<ID>", {"備註": "卡号<CARD>"}],
        "微信": "<WECHAT>",
        "<PHONE>": "第一",
        "<PHONE>#2": "第二",
        "amount": 12800.5,
        "card": "<CARD>",
        "float": "<PHONE>",
        "count": 3,
        "vip": True,
        "none": None,
        "channel": "12378",
    }
    assert value["phone"] == 13800138000


@pytest.mark.parametrize(
    "identifier",
    [MOBILE, "+86-138-0013-8000", ID_NUMBER, CARD, "li@example.com", f"C-{MOBILE}", "１３８００１３８０００"],
)
def test_personal_identifiers(identifier: str) -> None:
    assert is_personal(identifier)


@pytest.mark.parametrize(
    "identifier",
    ["C-10023", "2026112100017", "T20261121-000123", "客户甲", "550e8400-e29b-41d4-a716-446655440000", "12378"],
)
def test_impersonal_identifiers(identifier: str) -> None:
    assert not is_personal(identifier)


@pytest.mark.parametrize(
    "text", ["0a" * 10000, "1" * 20000, "1-" * 10000, "a." * 10000 + "@", "@a." * 6000, "一三" * 10000]
)
def test_hostile_texts_end(text: str) -> None:
    once, _ = redact(clean(text))
    assert redact(once)[1] == ()
