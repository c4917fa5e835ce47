"""A time is resolved to days only where the calendar and the day of the ticket leave no doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from triage.listening.facts import Fact, Kind, extract_facts
from triage.redaction import redact
from triage.text import clean

RECEIVED = datetime(2026, 3, 20, 10, tzinfo=timezone(timedelta(hours=8)))  # a Friday


def facts(text: str, kind: Kind, received_at: datetime | None = RECEIVED) -> list[Fact]:
    return [fact for fact in extract_facts(redact(clean(text))[0], received_at) if fact.kind == kind]


def texts(text: str, kind: Kind) -> list[str]:
    return [fact.text for fact in facts(text, kind)]


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("昨天", "2026-03-19", "2026-03-19"),
        ("大前天", "2026-03-17", "2026-03-17"),
        ("上周五", "2026-03-13", "2026-03-13"),
        ("周三", "2026-03-18", "2026-03-18"),
        ("周日", "2026-03-15", "2026-03-15"),
        ("上周", "2026-03-09", "2026-03-15"),
        ("3月5号", "2026-03-05", "2026-03-05"),
        ("三月五号", "2026-03-05", "2026-03-05"),
        ("4月1日", "2026-04-01", "2026-04-01"),
        ("11月5号", "2025-11-05", "2025-11-05"),
        ("2024年2月29日", "2024-02-29", "2024-02-29"),
        ("2025-12-01", "2025-12-01", "2025-12-01"),
        ("去年双十一", "2025-11-11", "2025-11-11"),
        ("去年国庆", "2025-10-01", "2025-10-07"),
        ("去年3月", "2025-03-01", "2025-03-31"),
        ("去年", "2025-01-01", "2025-12-31"),
        ("上个月", "2026-02-01", "2026-02-28"),
        ("三个月前", "2025-12-01", "2025-12-31"),
        ("十天前", "2026-03-10", "2026-03-10"),
        ("两周前", "2026-03-06", "2026-03-06"),
        ("二〇二五年五月", "2025-05-01", "2025-05-31"),
    ],
)
def test_a_time_is_resolved_from_the_day_the_ticket_came_in(written: str, first: str, last: str) -> None:
    (fact,) = facts(f"{written}买的东西坏了", "time")
    assert fact.text == written
    assert fact.resolved is not None
    assert (fact.resolved.first.isoformat(), fact.resolved.last.isoformat()) == (first, last)


@pytest.mark.parametrize("written", ["2月30日", "前几天", "春节", "最近", "几个月前", "半个多月前"])
def test_a_time_that_names_no_certain_day_stays_unresolved(written: str) -> None:
    assert [fact.resolved for fact in facts(f"{written}买的东西坏了", "time")] == [None]


def test_days_are_counted_in_china_whatever_the_offset_of_the_ticket() -> None:
    early = datetime(2026, 3, 19, 17, tzinfo=UTC)  # one in the morning of the 20th in China
    (fact,) = facts("昨天买的", "time", early)
    assert fact.resolved is not None
    assert fact.resolved.first.isoformat() == "2026-03-19"


def test_without_the_day_it_came_in_only_full_dates_are_resolved() -> None:
    found = facts("昨天说的，2025年6月1日买的，3月5号坏的", "time", None)
    assert [f.resolved and f.resolved.first.isoformat() for f in found] == [None, "2025-06-01", None]


@pytest.mark.parametrize("text", ["以前天天来", "目前天气不好", "一周一次", "3个月", "今年五十岁"])
def test_words_that_only_look_like_times_are_left_alone(text: str) -> None:
    assert texts(text, "time") == []
