"""Amounts, durations and contacts are read however they are written, and only where they are certain."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triage.listening.facts import Fact, Kind, extract_facts
from triage.listening.numerals import counted, number
from triage.redaction import redact
from triage.text import clean


def facts(text: str, kind: Kind) -> list[Fact]:
    return [fact for fact in extract_facts(redact(clean(text))[0], None) if fact.kind == kind]


def texts(text: str, kind: Kind) -> list[str]:
    return [fact.text for fact in facts(text, kind)]


@pytest.mark.parametrize(
    ("written", "yuan"),
    [
        ("三千五", "3500"),
        ("两万八", "28000"),
        ("1.5万", "15000"),
        ("3w", "30000"),
        ("5k", "5000"),
        ("1,280.50元", "1280.50"),
        ("一百二", "120"),
        ("二十万", "200000"),
        ("三块五", "3.5"),
        ("三块五毛钱", "3.5"),
        ("5毛钱", "0.5"),
        ("十五元", "15"),
        ("一千零五块", "1005"),
        ("两万七千四百块", "27400"),
        ("3万5千元", "35000"),
        ("￥300", "300"),
        ("叁仟圆", "3000"),
        ("3000多元", "3000"),
    ],
)
def test_an_amount_is_read_in_yuan_however_it_is_written(written: str, yuan: str) -> None:
    (fact,) = facts(f"我一共花了{written}，不满意", "amount")
    assert fact.yuan == Decimal(yuan)


@pytest.mark.parametrize(
    "text",
    [
        "我的电话是13812345678",
        "订单号20260301998877",
        "我们一块去的",
        "千万别买，万一坏了呢",
        "2024元旦买的",
        "这是4k电视，20w快充",
        "三千五百人参加",
        "粉丝有12万，播放1.5万次",
        "他就是个二百五",
        "来了两三千人",
        "几十块",
        "3单元501",
        "墙鼓了三块。",
        "100美元",
    ],
)
def test_what_is_no_certain_amount_of_yuan_is_left_alone(text: str) -> None:
    assert texts(text, "amount") == []


def test_numerals_that_are_not_one_number_have_no_value() -> None:
    assert number("两三千") is None
    assert number("百") is None
    assert number("十") == 10


@pytest.mark.parametrize("written", ["9" * 30, "1," + "999," * 12 + "999", "1" + "亿万" * 30, "9" * 19_000])
def test_a_number_beyond_all_money_is_no_amount_and_does_no_harm(written: str) -> None:
    assert texts(f"我一共花了{written}元", "amount") == []


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("三个月了", 90),
        ("拖了一周", 7),
        ("半年多了还没处理", 180),
        ("等了一个半月了", 45),
        ("已经两年", 730),
        ("十五天没人理", 15),
    ],
)
def test_how_long_it_has_gone_on_is_read_in_days(text: str, days: float) -> None:
    assert [f.days for f in facts(text, "duration")] == [days]


@pytest.mark.parametrize(
    "text", ["承诺三天内退", "三个月前买的", "保修两年", "七天无理由", "第三天", "用了三个月就坏了", "2024年了"]
)
def test_a_term_or_a_promise_is_not_how_long_it_has_gone_on(text: str) -> None:
    assert facts(text, "duration") == []


@pytest.mark.parametrize(
    ("text", "count"),
    [("我打了五次电话", 5), ("投诉了3次都没用", 3), ("三次电话都没人接", 3), ("多次联系客服", None), ("跑了两趟", 2)],
)
def test_contacts_so_far_are_counted(text: str, count: int | None) -> None:
    assert [f.count for f in facts(text, "contact")] == [count]


@pytest.mark.parametrize("text", ["催收一天打我二十个电话", "维修了三次还坏", "最多跑一次"])
def test_calls_from_the_other_side_and_other_counts_are_no_contacts(text: str) -> None:
    assert facts(text, "contact") == []


@pytest.mark.parametrize(
    ("text", "yuan"),
    [
        ("理赔款三万五一直不给", 35_000),
        ("理赔款三万五千一直不给", 35_000),
        ("押金三千五一分不退", 3_500),
        ("八万的理赔一句话打发了", 80_000),
        ("4S店定损十五万六", 156_000),
    ],
)
def test_an_amount_ends_where_the_next_word_begins(text: str, yuan: int) -> None:
    assert [found.value for found in counted(text) if found.kind == "amount"] == [yuan]
