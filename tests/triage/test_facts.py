"""Facts are read only where the text is clear about them, and always as a piece of that text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.listening.facts import Fact, Kind, extract_facts, staff_named
from triage.listening.mentions import _REGION, _WARES
from triage.redaction import redact
from triage.text import AlignedText, clean

RECEIVED = datetime(2026, 3, 20, 10, tzinfo=timezone(timedelta(hours=8)))  # a Friday
# fmt: off
PIECES = [
    "昨天", "上周五", "3月5号", "去年双十一", "2月30日", "三千五", "两万八", "1.5万", "一百二", "五次", "打了",
    "电话", "客服", "说", "“", "”", "‘", "「", "」", '"', "<PHONE>", "13812345678", "订单号",
    "A1234567890", "半", "年", "个月", "拖了", "了", "元", "块", "¥", "，", "。", "！！！！！", "㎏",
    "½", "㍘", "㋀", "我", "不想活", "张经理", "工号", "12345", "上海市", "在", "门店", "平安", "银行",
    "《", "》", " ", "髮", "十", "亿", "万", "k", "w", "承诺", "前", "九九", "点", "下午", "3点",
]
# fmt: on


def facts(text: str, kind: Kind) -> list[Fact]:
    return [fact for fact in extract_facts(redact(clean(text))[0], RECEIVED) if fact.kind == kind]


def texts(text: str, kind: Kind) -> list[str]:
    return [fact.text for fact in facts(text, kind)]


def staff(text: str) -> tuple[str, ...]:
    return staff_named(extract_facts(redact(clean(text))[0], RECEIVED))


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.booleans())
def test_every_span_is_a_piece_of_the_text_sorted_and_apart_from_its_kind(text: str, masked: bool) -> None:
    aligned = redact(clean(text))[0] if masked else AlignedText.identity(text)
    done: dict[str, int] = {}
    found = extract_facts(aligned, RECEIVED)
    assert [f.start for f in found] == sorted(f.start for f in found)
    for fact in found:
        places = [i for i in range(len(aligned.text)) if aligned.text.startswith(fact.text, i)]
        assert (fact.start, fact.end) in [aligned.span(i, i + len(fact.text)) for i in places]
        assert masked or text[fact.start : fact.end] == fact.text
        assert fact.start >= done.get(fact.kind, 0)
        assert fact.end > fact.start
        done[fact.kind] = fact.end


def test_people_companies_products_places_and_numbers_are_found_by_sure_cues() -> None:
    text = "我在上海市浦东新区找招商银行，客服小李工号12345和张经理都不理，合同叫《理财说明书》，订单号20260301998877"
    assert texts(text, "place") == ["上海市浦东新区"]
    assert texts(text, "company") == ["招商银行"]
    assert texts(text, "person") == ["客服小李", "工号12345", "张经理"]
    assert texts(text, "product") == ["《理财说明书》"]
    assert texts(text, "reference") == ["订单号<NUM>"]


@pytest.mark.parametrize(
    "text", ["你们公司太差", "保险公司不赔", "这个平台骗人", "对方经理", "超市里买的", "去年新开门店"]
)
def test_a_company_or_place_without_a_name_is_not_named(text: str) -> None:
    assert texts(text, "place") == []
    assert texts(text, "company") == []


def test_a_city_in_the_name_of_a_bank_is_no_place() -> None:
    assert texts("上海银行不理我", "place") == []
    assert texts("我在上海，你们不理我", "place") == ["上海"]


def test_staff_are_named_once_each_in_the_order_of_the_text() -> None:
    text = "客服小李不理，张经理也不理，工号8021、坐席号：A305，再找张经理，客服小李还是不理"
    assert staff(text) == ("客服小李", "张经理", "8021", "A305")


@pytest.mark.parametrize(
    "text", ["客服不理我", "师傅没来，店长和经理都推脱", "对方经理", "工作人员、业务员、催收员都一样", "销售和老板吵架"]
)
def test_a_bare_role_word_names_no_staff(text: str) -> None:
    assert texts(text, "person") != []
    assert staff(text) == ()


@pytest.mark.parametrize("name", ["店长老王", "师傅小陈", "客服王女士", "刘师傅", "陈店长"])
def test_a_role_with_a_surname_names_its_bearer(name: str) -> None:
    assert staff(f"找过{name}，没用") == (name,)


def test_neither_the_customer_nor_a_masked_number_is_staff() -> None:
    assert staff("我是张先生，我妈妈也来了") == ()
    assert staff("工号13812345678不理我") == ()


def test_a_moment_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"received_at.*offset"):
        extract_facts(AlignedText.identity("昨天"), datetime(2026, 3, 20, 10))


@pytest.mark.parametrize(("kind", "listed"), [("place", _REGION), ("product", _WARES)])
def test_everything_listed_is_found_where_it_is_named(kind: Kind, listed: str) -> None:
    for word in listed.split("|"):
        assert [found[: len(word)] for found in texts(f"我在{word}这边,东西有问题", kind)] == [word]
