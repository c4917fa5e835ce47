"""A ticket is decided again to the byte from what was kept of it, and nothing personal is kept."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triage import Pipeline, Ticket
from triage.pipeline import Prepared, findings, prepare
from triage.replay import MASK, Kept, keep, reading_of, restore
from triage.routing import load_router
from triage.text import clean

PHONES = ("13812345678", "１３９ ８７６５ ４３２１", "138\u200b1234\u200b5678", "010-62345678")
NUMBERS = (*PHONES, "11010519491231002X", "6222021234567894", "li.lei@example.com")
PIECES = (
    "客服小李一直推脱，", "說好三天退款，到現在還沒到賬！！！！！！", "我的電話是", "身份证号：", "银行卡", "邮箱",
    "车牌沪(hu)Ａ１２３４５", "扣了我１２８０元", "两万三", "😡😡😡😡😡", "保(bao)险(xian)公司拒赔", "对方说“你去死吧”",
    "㎡㈱①", "……………", "\u200d\ufeff", "\r\n\t", "工号8021的师傅态度恶劣。", "昨天下午三点", "e\u0301",
    "我要投诉到银保监会", " ", "█", "<PHONE>",
)  # fmt: skip
ROUTER = load_router()
STORABLE = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
TEXTS = st.lists(
    st.sampled_from((*PIECES, *NUMBERS)) | st.text(STORABLE, min_size=1, max_size=6), min_size=1, max_size=14
).map("".join)
TICKETS = st.builds(
    Ticket,
    text=TEXTS.filter(str.strip),
    ticket_id=st.none() | st.just("T-17"),
    source=st.sampled_from(("default", "crm")),
    channel=st.none() | st.just("12378"),
    received_at=st.none() | st.just("2026-03-04T09:30:00.250000+08:00"),
    opened_at=st.none() | st.just("2026-02-01T09:30:00+08:00"),
    amount=st.none() | st.sampled_from(("100", "100.00", "52000")),
    previous_contacts=st.none() | st.integers(0, 9),
    customer_flags=st.sampled_from(((), ("vip",), ("vip", "vulnerable"))),
)


def kept(prepared: Prepared) -> str:
    return keep(prepared).model_dump_json(exclude_defaults=True)


def restored(prepared: Prepared) -> Prepared:
    ticket = prepared.ticket
    return restore(
        Kept.model_validate_json(kept(prepared)),
        text=prepared.text,
        text_sha256=prepared.text_sha256,
        source=ticket.source,
        ticket_id=ticket.ticket_id,
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ticket=TICKETS)
def test_a_restored_ticket_decides_to_the_same_bytes(pipeline: Pipeline, ticket: Ticket) -> None:
    prepared = prepare(ticket)
    again = restored(prepared)
    prediction = pipeline.predict(prepared)
    first = pipeline.decide(prepared, prediction)
    assert pipeline.decide(again, prediction).model_dump_json() == first.model_dump_json()
    assert ROUTER.route(findings(again, reading_of(first))) == first.route


@settings(max_examples=200, deadline=None)
@given(text=TEXTS.filter(str.strip))
def test_nothing_that_was_masked_is_kept(text: str) -> None:
    prepared = prepare(Ticket(text=text))
    stored = kept(prepared)
    original = Kept.model_validate_json(stored).original
    for kind, start, end in keep(prepared).redactions:
        assert original is not None
        assert original[start:end] == MASK * (end - start), kind
    plain = clean(stored).text
    for number in NUMBERS:
        if number in text and clean(number).text not in prepared.text:
            assert number not in stored
            assert clean(number).text not in plain


def test_evidence_beside_a_mask_is_the_same_words_again(pipeline: Pipeline) -> None:
    """Evidence is cut from the original text, traditional and fullwidth, or is a placeholder where it was masked."""
    text = "電話１３８１２３４５６７８的客服，態度極其惡劣！！！！！！罵人，我要投訴到銀保監會１３８１２３４５６７８"
    prepared = prepare(Ticket(text=text))
    prediction = pipeline.predict(prepared)
    first, again = (pipeline.decide(ticket, prediction).evidence for ticket in (prepared, restored(prepared)))
    assert first == again
    assert any(item.text == text[item.start : item.end] and item.text not in prepared.text for item in first)


def test_of_a_plain_text_next_to_nothing_is_kept() -> None:
    text = "上周在你们店里买的电饭煲,第二天就坏了,找了三次都没人管。" * 7
    assert kept(prepare(Ticket(text=text))) == f'{{"alignment":[[0,{len(text)}]]}}'


def test_a_ticket_of_200_characters_keeps_less_than_a_kilobyte() -> None:
    text = "我三月四日在你们平台买了一台洗衣机，電話１３８１２３４５６７８，客服小李说三天送到！！！！！！！" * 5
    ticket = Ticket(text=text[:200], channel="app", received_at="2026-03-20T09:30:00.123456+08:00")
    assert len(kept(prepare(ticket)).encode()) < 1024


def test_what_is_kept_of_another_text_is_refused() -> None:
    prepared = prepare(Ticket(text="客服一直不回复"))
    with pytest.raises(ValueError, match="alignment is of 7 characters: expected 3"):
        restore(keep(prepared), text="不回复", text_sha256="0" * 64, source="crm", ticket_id=None)
