"""What a decision is made of besides labels: circumstances, facts, clocks, listening and the plan."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from triage import Pipeline, Ticket
from triage.calendars import SHANGHAI
from triage.pipeline import findings, prepare, with_contacts
from triage.playbook import load_playbook
from triage.reading import Reading
from triage.routing import Findings, load_router

RECEIVED = datetime(2026, 3, 4, 9, 30, tzinfo=SHANGHAI)
UNREAD = Reading.silent(None)


def found(text: str, **known: object) -> Findings:
    return findings(prepare(Ticket(text=text, **known)), UNREAD)  # type: ignore[arg-type]


def test_what_the_caller_knows_comes_before_what_the_text_says() -> None:
    text = "理赔款三万五一直不给,电话打了五次"
    said = found(text)
    assert (said.amount, said.contacts) == (Decimal(35_000), 5)
    known = found(text, amount="120.50", previous_contacts=1)
    assert (known.amount, known.contacts) == (Decimal("120.50"), 1)


def test_counted_contacts_are_known_where_the_text_does_not_speak_of_more() -> None:
    prepared = prepare(Ticket(text="理赔款一直不给,电话打了五次"))
    assert findings(with_contacts(prepared, 7), UNREAD).contacts == 7
    assert with_contacts(prepared, 5) is prepared
    assert with_contacts(prepared, 1_000_000).ticket.previous_contacts == 10_000  # as many as a ticket may state


@pytest.mark.parametrize(
    ("written", "yuan"), [("三千五", 3500), ("1.5万", 15_000), ("3w", 30_000), ("5k", 5000), ("1,280.50元", "1280.50")]
)
def test_amounts_are_read_as_people_write_them(written: str, yuan: object) -> None:
    assert found(f"押金{written}不退给我").amount == Decimal(str(yuan))


def test_words_quoted_from_the_other_side_are_not_the_customer_s() -> None:
    router = load_router()
    quoted = router.route(found("我问什么时候退,客服说“你去跳楼算了”"))
    assert "crisis_phrase" not in {reason.code for reason in quoted.reasons}
    own = router.route(found("客服说“办不了”,我真的要跳楼了"))
    assert "crisis_phrase" in {reason.code for reason in own.reasons}


def test_named_staff_is_recused_and_a_bare_role_names_nobody() -> None:
    assert found("工号8021和张经理态度恶劣").staff == ("8021", "张经理")
    assert found("客服和师傅都不理人").staff == ()


def test_the_age_of_a_case_is_counted_from_its_opening() -> None:
    aged = found("还没解决", received_at=RECEIVED, opened_at=RECEIVED - timedelta(days=40))
    assert aged.age_days == pytest.approx(40)
    assert found("还没解决", received_at=RECEIVED).age_days is None


def test_a_decision_carries_clocks_listening_and_a_plan(pipeline: Pipeline) -> None:
    text = "3月1日在云通营业厅充的200元话费没到账,找了客服小李四次都不管,把钱退给我!"
    decision = pipeline.triage(Ticket(text=text, received_at=RECEIVED))
    assert {(d.clock, d.basis) for d in decision.deadlines} == {
        ("first_response", "internal"),
        ("resolution", "internal"),
    }
    assert all(d.due_at is not None and d.due_at > RECEIVED for d in decision.deadlines)
    assert decision.listening is not None
    assert decision.plan is not None
    assert {(fact.kind, fact.text) for fact in decision.listening.facts} >= {
        ("amount", "200元"),
        ("person", "客服小李"),
    }
    assert all(text[fact.start : fact.end] == fact.text for fact in decision.listening.facts)
    assert "客服小李" in {who.who for who in decision.plan.must_not_answer}
    assert decision.route.recused == ("客服小李",)


def test_a_life_in_danger_is_answered_within_a_quarter_of_an_hour(pipeline: Pipeline) -> None:
    midnight = datetime(2026, 2, 17, 0, 5, tzinfo=SHANGHAI)  # New Year's night
    decision = pipeline.triage(Ticket(text="你们再逼我,我今晚就从楼上跳下去", received_at=midnight))
    assert decision.route.tier == "L4"
    assert min(d.due_at for d in decision.deadlines if d.due_at) == midnight + timedelta(minutes=15)


def test_without_a_time_of_receipt_there_are_no_deadlines(pipeline: Pipeline) -> None:
    assert pipeline.triage("快递三天没动").deadlines == ()


def test_other_circumstances_are_another_decision(pipeline: Pipeline) -> None:
    ids = {
        pipeline.triage(Ticket(text="快递三天没动", ticket_id="1", **known)).decision_id  # type: ignore[arg-type]
        for known in ({}, {"received_at": RECEIVED}, {"amount": "10"}, {"customer_flags": ["vip"]})
    }
    assert len(ids) == 4


def test_the_playbook_knows_every_tier_of_the_policy() -> None:
    assert set(load_router().tiers) <= set(load_playbook().tiers)
