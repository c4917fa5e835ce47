"""A reply's promises get the date the customer would name, and none where nothing is known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from triage.reply.lint import Promise, lint
from triage.reply.promises import ZONE, add_weekdays

SENT = datetime(2026, 3, 11, 14, 0, tzinfo=ZONE)  # a Wednesday


def promises(draft: str, **given: object) -> tuple[Promise, ...]:
    known: dict[str, object] = {"received_at": None, "sent_at": SENT, **given}
    return lint(draft, primary_type="service", intensity=2, risks=frozenset(), **known).promises  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "due"),
    [
        ("24小时内", "2026-03-12 14:00:00"),
        ("半小时内", "2026-03-11 14:30:00"),
        ("一个半小时内", "2026-03-11 15:30:00"),
        ("3个工作日内", "2026-03-16 23:59:59"),
        ("1-3个工作日内", "2026-03-16 23:59:59"),
        ("十五日内", "2026-03-26 23:59:59"),
        ("一周内", "2026-03-18 23:59:59"),
        ("1个月内", "2026-04-11 23:59:59"),
        ("今天下班前", "2026-03-11 18:00:00"),
        ("今天5点前", "2026-03-11 17:00:00"),
        ("明天", "2026-03-12 23:59:59"),
        ("明天上午", "2026-03-12 12:00:00"),
        ("明晚8点半", "2026-03-12 20:30:00"),
        ("后天下午三点前", "2026-03-13 15:00:00"),
        ("本周五前", "2026-03-13 23:59:59"),
        ("周二前", "2026-03-17 23:59:59"),
        ("周三上午9点", "2026-03-18 09:00:00"),
        ("下周三18：00前", "2026-03-18 18:00:00"),
        ("3月20日前", "2026-03-20 23:59:59"),
        ("5号前", "2026-04-05 23:59:59"),
        ("月底前", "2026-03-31 23:59:59"),
    ],
)
def test_a_promise_falls_due_when_the_customer_would_say_so(words: str, due: str) -> None:
    (promise,) = promises(f"很抱歉。我会在{words}给您回电。")
    assert promise.due_at == datetime.fromisoformat(due).replace(tzinfo=ZONE)
    assert promise.text == words


def test_new_year_is_crossed_forwards() -> None:
    sent = datetime(2026, 12, 30, 1, 0, tzinfo=UTC)
    (promise,) = promises("很抱歉。我会在1月3日12:00前给您回电。", sent_at=sent)
    assert promise.due_at == datetime(2027, 1, 3, 12, 0, tzinfo=ZONE)


def test_days_after_the_complaint_count_from_its_arrival_and_after_papers_from_nothing_known() -> None:
    received = datetime(2026, 3, 1, 9, 0, tzinfo=ZONE)
    draft = "很抱歉。我们将自收到您的投诉之日起15日内答复您。收到您的材料后3个工作日内我们会给您回复。"
    dues = [promise.due_at for promise in promises(draft, received_at=received)]
    assert dues == [datetime(2026, 3, 16, 23, 59, 59, tzinfo=ZONE), None]


def test_a_calendar_of_one_s_own_counts_the_working_days() -> None:
    (promise,) = promises("很抱歉。我会在2个工作日内给您回电。", add_workdays=lambda day, n: day + timedelta(10 * n))
    assert promise.due_at is not None
    assert promise.due_at.date() == date(2026, 3, 31)


def test_a_promise_without_a_time_is_listed_without_a_date() -> None:
    (promise,) = promises("很抱歉，我们会尽快处理。")
    assert (promise.text, promise.due_at) == ("尽快", None)


def test_without_a_sending_time_or_on_the_30th_of_february_no_date_is_made_up() -> None:
    assert promises("很抱歉。我会在明天给您回电。", sent_at=None)[0].due_at is None
    assert promises("很抱歉。我会在2月30日前给您回电。")[0].due_at is None


def test_what_the_customer_does_or_did_is_no_promise_of_ours() -> None:
    assert promises("您昨天打了五次电话，很抱歉。您可在签收后7天内申请退货。") == ()


def test_weekends_are_no_working_days() -> None:
    assert add_weekdays(date(2026, 3, 13), 1) == date(2026, 3, 16)
