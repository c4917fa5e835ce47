"""Deadlines fall on the days the calendar says, name their rule, and a wrong file says where it is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.calendars import SHANGHAI, Calendar, CalendarEntry, CalendarError, Period
from triage.clocks import DEFAULT_SLA, ORDER, ClockError, Clocks, Deadline, load_clocks
from triage.sla import NO_TYPE

TIERS = ("L1", "L2", "L3", "L4")
HOURS = ["09:00-12:00", "13:30-18:00"]
PROFILES = {
    name: load_clocks(profile=name, tiers=TIERS) for name in ("none", "insurance", "banking", "ecommerce", "telecom")
}
LAST_KNOWN = max(load_clocks().calendars.years["国务院"])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def calendar(base: str = "国务院", **entry: object) -> Calendar:
    return Calendar(base, CalendarEntry.model_validate({"base": base, "hours": HOURS, **entry}))


def deadlines(
    clocks: Clocks, received_at: datetime | str = "2026-03-02 10:00", **ticket: object
) -> dict[str, Deadline]:
    """The deadlines of a routine service complaint changed by ``ticket``, by ``clock/basis``."""
    asked = {"tier": "L1", "queue": "服务投诉", "primary_type": "service", "risks": frozenset(), **ticket}
    moment = at(received_at) if isinstance(received_at, str) else received_at
    return {f"{d.clock}/{d.basis}": d for d in clocks.deadlines(**asked, received_at=moment)}  # type: ignore[arg-type]


def own(tmp_path: Path, *changes: tuple[str, str], profile: str | None = None, tiers: tuple[str, ...] = ()) -> Clocks:
    """The clocks of the shipped file after each ``(old, new)`` was replaced once."""
    text = DEFAULT_SLA.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "own_sla.toml"
    path.write_text(text, encoding="utf-8")
    return load_clocks(path, profile, tiers)


@pytest.mark.parametrize(
    ("base", "received", "within", "due"),
    [
        ("国务院", "2024-02-08 10:00", "2 工作日", "2024-02-18"),  # a makeup Sunday after Spring Festival
        ("交易所", "2024-02-08 10:00", "1 工作日", "2024-02-09"),
        ("交易所", "2024-02-09 10:00", "1 工作日", "2024-02-19"),
        ("国务院", "2024-09-28 10:00", "2 工作日", "2024-09-30"),  # received on a Saturday before a makeup Sunday
        ("国务院", "2024-09-30 23:59", "3 工作日", "2024-10-10"),
        ("国务院", "2025-01-24 17:30", "2 工作日", "2025-01-27"),
        ("国务院", "2025-09-30 10:00", "3 工作日", "2025-10-11"),
        ("交易所", "2025-09-30 10:00", "3 工作日", "2025-10-13"),
        ("国务院", "2025-12-31 10:00", "1 工作日", "2026-01-04"),  # across the end of a year, to a makeup Sunday
        ("交易所", "2025-12-31 10:00", "1 工作日", "2026-01-05"),
        ("国务院", "2026-02-13 17:30", "2 工作日", "2026-02-24"),
        ("交易所", "2026-02-13 17:30", "2 工作日", "2026-02-25"),
        ("国务院", "2026-02-13 17:30", "2 自然日", "2026-02-15"),
        ("国务院", "2025-12-30 00:00", "15 自然日", "2026-01-14"),
    ],
)
def test_days_are_counted_after_the_day_of_receipt_to_the_end_of_the_last_one(
    base: str, received: str, within: str, due: str
) -> None:
    assert calendar(base).due(Period.parse(within), at(received)) == at(f"{due} 23:59:59")


@pytest.mark.parametrize(
    ("received", "within", "due"),
    [
        ("2026-03-02 10:00", "2 工作小时", "2026-03-02 12:00"),  # up to the last minute before lunch
        ("2026-03-02 11:30", "1 工作小时", "2026-03-02 14:00"),  # over lunch
        ("2026-03-02 12:30", "90 工作分钟", "2026-03-02 15:00"),  # received at lunch
        ("2026-03-02 07:15", "1 工作小时", "2026-03-02 10:00"),  # before work
        ("2026-03-02 19:00", "1 工作小时", "2026-03-03 10:00"),  # after work
        ("2026-03-02 18:00", "1 工作小时", "2026-03-03 10:00"),  # the minute work ends
        ("2026-03-06 17:30", "1 工作小时", "2026-03-09 09:30"),  # over a weekend
        ("2026-02-13 17:30", "1 工作小时", "2026-02-14 09:30"),  # into a makeup Saturday
        ("2026-02-14 17:30", "1 工作小时", "2026-02-24 09:30"),  # over Spring Festival
        ("2026-03-02 09:00", "15 工作小时", "2026-03-03 18:00"),  # two days of seven and a half hours
        ("2026-02-14 17:30", "48 自然小时", "2026-02-16 17:30"),
        ("2026-02-14 23:50", "15 分钟", "2026-02-15 00:05"),
    ],
)
def test_working_hours_stop_at_lunch_at_night_and_on_days_off_and_other_hours_do_not(
    received: str, within: str, due: str
) -> None:
    assert calendar().due(Period.parse(within), at(received)) == at(due)


def test_a_calendar_of_one_s_own_adds_days_off_and_days_at_work() -> None:
    ours = calendar(holidays=[date(2026, 3, 3)], workdays=[date(2026, 3, 7)])
    assert ours.due(Period.parse("1 工作日"), at("2026-03-02 10:00")) == at("2026-03-04 23:59:59")
    assert ours.due(Period.parse("1 工作日"), at("2026-03-06 10:00")) == at("2026-03-07 23:59:59")


def test_the_exchanges_closed_on_the_eve_of_2024_s_spring_festival(tmp_path: Path) -> None:
    clocks = own(tmp_path, ('calendar = "国务院"', 'calendar = "交易所"'))
    due = deadlines(clocks, "2024-02-08 10:00", tier="L3")["resolution/internal"]
    assert due.due_at == at("2024-02-20 23:59:59")
    assert "另列假日" in due.text


@pytest.mark.parametrize(
    ("tier", "first", "resolution"),
    [
        ("L1", "2026-03-03 10:30", "2026-03-09 23:59:59"),
        ("L2", "2026-03-02 15:30", "2026-03-05 23:59:59"),
        ("L3", "2026-03-02 12:00", "2026-03-04 23:59:59"),
        ("L4", "2026-03-02 10:15", "2026-03-03 10:00"),
    ],
)
def test_each_tier_has_its_own_internal_deadlines_and_no_statutory_ones_by_default(
    tier: str, first: str, resolution: str
) -> None:
    found = deadlines(load_clocks(), tier=tier)
    assert {place: d.due_at for place, d in found.items()} == {
        "first_response/internal": at(first),
        "resolution/internal": at(resolution),
    }
    assert all(d.rule.startswith(tier.lower()) and d.source is None and not d.extensions for d in found.values())


def test_a_crisis_is_answered_within_15_minutes_at_night_on_a_holiday_whatever_its_tier() -> None:
    found = deadlines(load_clocks(), "2026-02-17 02:00", tier="L1", risks=frozenset({"self_harm"}))
    assert found["first_response/internal"].due_at == at("2026-02-17 02:15")
    assert found["first_response/internal"].rule == "crisis_first_response"


def test_the_strictest_rule_wins_whichever_stands_first(tmp_path: Path) -> None:
    vulnerable = frozenset({"vulnerable"})
    assert deadlines(load_clocks(), risks=vulnerable)["first_response/internal"].rule == "vulnerable_first_response"
    lax = own(tmp_path, ('within = "2 工作小时"\nwhen = { risks', 'within = "9 工作小时"\nwhen = { risks'))
    assert deadlines(lax, risks=vulnerable)["first_response/internal"].rule == "l1_first_response"


def test_a_rule_may_hold_for_one_queue_only(tmp_path: Path) -> None:
    clocks = own(tmp_path, ('when = { risks = ["vulnerable"] }', 'when = { queues = ["授权核验"] }'))
    assert deadlines(clocks, queue="授权核验")["first_response/internal"].rule == "vulnerable_first_response"
    assert deadlines(clocks, queue="服务投诉")["first_response/internal"].rule == "l1_first_response"


def test_the_explanation_says_from_when_how_and_over_which_days_it_was_counted() -> None:
    text = deadlines(load_clocks(), "2026-02-13 17:30", tier="L3")["resolution/internal"].text
    assert text == (
        "L3 办结：自 2026-02-13 17:30 起 2 个工作日（按“国务院”日历，当日不计），"
        "跳过春节假期，计入调休上班日 02-14，至 2026-02-24 24:00"
    )


REGULATOR = frozenset({"regulator"})


@pytest.mark.parametrize(
    ("pack", "place", "ticket", "rule", "due"),
    [
        ("bank_insurance_complaints", "resolution", {}, "bank_insurance_decision", "2026-03-17 23:59:59"),
        (
            "bank_insurance_complaints",
            "resolution",
            {"primary_type": None},
            "bank_insurance_decision",
            "2026-03-17 23:59:59",
        ),
        ("insurance_law", "resolution", {"primary_type": "refusal"}, "claim_assessment", "2026-04-01 23:59:59"),
        ("market_12315", "first_response", {"risks": REGULATOR}, "market_12315_acceptance", "2026-03-11 23:59:59"),
        ("market_12315", "resolution", {"risks": REGULATOR}, "market_12315_mediation", "2026-05-08 23:59:59"),
        ("telecom_complaints", "resolution", {}, "telecom_reply", "2026-03-17 23:59:59"),
        ("wechat_trade", "first_response", {}, "wechat_settlement", "2026-03-04 10:00"),
    ],
)
def test_every_pack_sets_its_deadline_with_its_source_and_a_warning(
    tmp_path: Path, pack: str, place: str, ticket: dict[str, object], rule: str, due: str
) -> None:
    clocks = own(tmp_path, ("none = []", f'none = ["{pack}"]'))
    found = deadlines(clocks, **ticket)[f"{place}/statutory"]
    assert (found.rule, found.due_at) == (rule, at(due))
    assert found.source
    assert found.source in found.text
    assert "仅供参考，须经法务核对" in found.text


@pytest.mark.parametrize(
    ("profile", "rule", "due"),
    [
        ("insurance", "claim_payment", "2026-03-12 23:59:59"),
        ("insurance", "claim_refusal_notice", "2026-03-05 23:59:59"),
        ("ecommerce", "wechat_execution", "2026-03-04 10:00"),
    ],
)
def test_a_rule_of_a_later_event_runs_from_that_event_and_not_from_receipt(profile: str, rule: str, due: str) -> None:
    clocks = PROFILES[profile]
    ticket = {"primary_type": "refusal", "risks": REGULATOR}
    assert rule not in {d.rule for d in deadlines(clocks, **ticket).values()}
    later = clocks.after(rule, at("2026-03-02 10:00"))
    assert (later.due_at, later.basis) == (at(due), "statutory")
    assert later.source
    assert f"（{later.source}）" in deadlines(clocks, **ticket)["resolution/statutory"].text.partition("后续时限")[2]


def test_asking_for_a_later_event_of_a_pack_that_is_off_names_the_ones_there_are() -> None:
    with pytest.raises(ValueError, match=r"claim_payment.*none"):
        load_clocks().after("claim_payment", at("2026-03-02 10:00"))


def test_the_profiles_switch_on_their_packs_and_of_two_laws_the_stricter_wins_and_the_other_is_named() -> None:
    found = {name: deadlines(clocks, primary_type="refusal") for name, clocks in PROFILES.items()}
    rules = {name: [d.rule for d in of.values() if d.basis == "statutory"] for name, of in found.items()}
    assert rules == {
        "none": [],
        "insurance": ["bank_insurance_decision"],
        "banking": ["bank_insurance_decision"],
        "ecommerce": ["wechat_settlement"],
        "telecom": ["telecom_reply"],
    }
    assert "2026-04-01 24:00（保险法 第二十三条第一款）" in found["insurance"]["resolution/statutory"].text


def test_an_inquiry_has_no_statutory_deadline() -> None:
    for clocks in PROFILES.values():
        assert all(d.basis == "internal" for d in deadlines(clocks, primary_type="other").values())


def test_extensions_are_offered_with_their_end_and_never_applied() -> None:
    found = deadlines(PROFILES["banking"])["resolution/statutory"]
    assert found.due_at == at("2026-03-17 23:59:59")
    # 15 + 15 days, then 30 more: the 60th is 1 May, and the holiday ends on the 5th.
    assert [e.due_at for e in found.extensions] == [at("2026-04-01 23:59:59"), at("2026-05-06 23:59:59")]
    assert all(e.name in found.text and e.source for e in found.extensions)


def test_a_statutory_period_in_days_that_ends_on_a_holiday_ends_on_the_next_working_day() -> None:
    found = deadlines(PROFILES["telecom"], "2026-09-18 10:00")["resolution/statutory"]
    assert found.due_at == at("2026-10-08 23:59:59")
    assert "末日 2026-10-03 逢国庆节假期" in found.text


def test_a_year_without_holidays_is_refused_at_start_naming_year_calendar_and_remedy() -> None:
    clocks = load_clocks()
    clocks.check_years(2024, LAST_KNOWN)
    with pytest.raises(CalendarError, match=rf"国务院.*{LAST_KNOWN + 1}.*upgrade chinesecalendar.*listed_years"):
        clocks.check_years(LAST_KNOWN, LAST_KNOWN + 1)


def test_a_deadline_in_an_unknown_year_has_no_date_and_says_why_and_the_others_stay() -> None:
    found = deadlines(PROFILES["banking"], f"{LAST_KNOWN}-12-30 10:00", tier="L4")
    assert found["resolution/internal"].due_at == at(f"{LAST_KNOWN}-12-31 10:00")
    assert found["resolution/statutory"].due_at is None
    assert f"需要 {LAST_KNOWN + 1} 年的节假日" in found["resolution/statutory"].text
    assert f"至 {LAST_KNOWN + 1}-01-14 24:00" in found["resolution/statutory"].text
    assert [e.due_at for e in found["resolution/statutory"].extensions] == [None, None]


def test_an_answer_is_preferred_to_none_and_the_rule_without_one_is_named() -> None:
    crisis = frozenset({"self_harm"})
    first = deadlines(load_clocks(), f"{LAST_KNOWN + 1}-01-20 03:00", risks=crisis)["first_response/internal"]
    assert first.due_at == at(f"{LAST_KNOWN + 1}-01-20 03:15")
    assert "另有 L1 首次响应：需要" in first.text


def test_days_listed_in_the_file_make_a_year_known(tmp_path: Path) -> None:
    year = LAST_KNOWN + 1
    listed = (
        f'base = "国务院"\nholidays = [{year}-01-01, {year}-01-02]\nworkdays = [{year}-01-03]\nlisted_years = [{year}]'
    )
    clocks = own(tmp_path, ('base = "国务院"', listed))
    clocks.check_years(LAST_KNOWN, year)
    due = clocks.calendars["国务院"].due(Period.parse("1 工作日"), at(f"{LAST_KNOWN}-12-31 10:00"))
    assert due == at(f"{year}-01-03 23:59:59")


def test_a_count_does_not_jump_over_an_unknown_year() -> None:
    with pytest.raises(CalendarError, match=str(LAST_KNOWN + 1)):
        calendar(listed_years=[LAST_KNOWN + 2]).due(Period.parse("3 工作日"), at(f"{LAST_KNOWN}-12-31 10:00"))


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2026-03-02.*naive.*time zone"):
        deadlines(load_clocks(), datetime(2026, 3, 2, 10))


def test_the_caller_s_zone_and_its_summer_time_do_not_move_a_deadline() -> None:
    new_york = datetime(2026, 3, 7, 20, 30, tzinfo=ZoneInfo("America/New_York"))  # the clocks change that night
    found = deadlines(load_clocks(), new_york, tier="L4")["resolution/internal"]
    assert found.due_at is not None
    assert found.due_at - new_york.astimezone(UTC) == timedelta(hours=24)
    assert found.due_at.utcoffset() == timedelta(hours=8)
    assert found.due_at.isoformat() == "2026-03-09T09:30:00+08:00"


def test_the_day_of_receipt_is_the_day_in_shanghai() -> None:
    late_evening_in_utc = datetime(2026, 3, 2, 20, tzinfo=UTC)  # already the 3rd in Shanghai
    found = deadlines(PROFILES["telecom"], late_evening_in_utc)["resolution/statutory"]
    assert found.due_at == at("2026-03-18 23:59:59")


@pytest.mark.parametrize("received", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_the_ends_of_time_lose_no_ticket(received: datetime) -> None:
    for clocks in PROFILES.values():
        assert all(d.due_at is None or d.due_at >= received for d in deadlines(clocks, received).values())


_MOMENTS = st.datetimes(
    datetime(2004, 2, 1),
    datetime(LAST_KNOWN + 1, 6, 1),
    timezones=st.sampled_from([SHANGHAI, UTC, timezone(timedelta(hours=-11))]),
)


@given(
    moments=st.tuples(_MOMENTS, _MOMENTS),
    profile=st.sampled_from(sorted(PROFILES)),
    tier=st.sampled_from(TIERS),
    primary_type=st.sampled_from(["quality", "service", "refusal", "illicit", "other", None]),
    risks=st.frozensets(st.sampled_from(["regulator", "self_harm", "vulnerable"])),
)
def test_no_deadline_lies_before_receipt_and_an_earlier_ticket_is_never_due_later(
    moments: tuple[datetime, datetime],
    profile: str,
    tier: str,
    primary_type: str | None,
    risks: frozenset[str],
) -> None:
    early, late = sorted(moments)
    ticket = {"tier": tier, "primary_type": primary_type, "risks": risks}
    first, second = (deadlines(PROFILES[profile], moment, **ticket) for moment in (early, late))
    assert list(first) == list(second) == [f"{c}/{b}" for c, b in ORDER if f"{c}/{b}" in first]
    for place, deadline in first.items():
        then = second[place].due_at
        assert deadline.due_at is None or deadline.due_at >= early
        assert deadline.due_at is None or then is None or deadline.due_at <= then


def test_the_version_names_the_file_s_contents_and_the_holidays_their_source(tmp_path: Path) -> None:
    shipped, changed = load_clocks(), own(tmp_path, ("15 分钟", "10 分钟"))
    assert shipped.version.startswith("1.0.0+")
    assert len(shipped.version.partition("+")[2]) == 12
    assert changed.version != shipped.version
    assert shipped.calendar_version.startswith("chinesecalendar ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('version = "1.0.0"', 'versoin = "1.0.0"', r"versoin.*version"),
        ('text = "L1 首次响应"', 'txt = "L1 首次响应"', r"internal\.0\.txt: .*'txt'.*'text'"),
        ('when = { tiers = ["L1"] }', 'when = { tier = ["L1"] }', r"internal\.0\.when\.tier: .*'tier'.*'tiers'"),
        ('within = "8 工作小时"', 'within = "8 小时"', r"internal\.0\.within: .*8 小时.*2 工作日"),
        ('within = "8 工作小时"', 'within = "0 工作小时"', r"internal\.0\.within"),
        ('clock = "first_response"', 'clock = "answer"', r"internal\.0\.clock: .*resolution.*answer"),
        ('risks = ["vulnerable"]', 'risks = ["elderly"]', r"risks: found \['elderly'\], expected"),
        ('primary_types = ["refusal"]', 'primary_types = ["claim"]', r"primary_types: found \['claim'\]"),
        ('code = "l2_resolution"', 'code = "l1_resolution"', "'l1_resolution' twice"),
        ('calendar = "国务院"', 'calendar = "公司"', r"calendar: found '公司', expected one of \['国务院', '交易所'\]"),
        ('profile = "none"', 'profile = "bank"', r"profile: found 'bank'.*banking"),
        ('telecom = ["telecom_complaints"]', 'telecom = ["miit"]', r"profiles\.telecom: found 'miit'"),
        ('base = "国务院"', 'base = "交易所"', r"calendars\.国务院\.base"),
        ('hours = ["09:00-12:00", "13:30-18:00"]', 'hours = ["13:30-18:00", "09:00-12:00"]', r"国务院\.hours"),
        ('hours = ["09:00-12:00", "13:30-18:00"]', 'hours = ["09:00-25:00"]', r"hours.*09:00-25:00"),
        ('hours = ["09:00-12:00", "13:30-18:00"]', "hours = []", r"国务院\.hours"),
        ("holidays = [2024-02-09]", "holidays = [20240209]", r"交易所\.holidays\.0: .*20240209"),
        ("holidays = [2024-02-09]", "holidays = [2024-02-09]\nworkdays = [2024-02-09]", "2024-02-09 in holidays and"),
        ('within = "7 工作日"', 'within = "7 工作日"\nextend_over_holidays = true', "extend_over_holidays: found"),
        (
            'name = "情况复杂", within = "15 自然日"',
            'name = "情况复杂", within = "15 工作日"',
            "extensions: found 工作日",
        ),
        ('notice = "仅供参考，须经法务核对"', 'notice = ""', r"packs\.bank_insurance_complaints\.notice"),
        ("[profiles]\nnone", "[profiles\nnone", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_and_says_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ClockError, match=said) as refused:
        own(tmp_path, (old, new))
    assert "own_sla.toml" in str(refused.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match=r"none\.toml"):
        load_clocks(tmp_path / "none.toml")


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClockError, match=r"sla\.toml: profiles: .*'retail'.*'ecommerce'"):
        load_clocks(profile="retail")


def test_a_tier_without_a_promise_of_its_own_is_refused() -> None:
    with pytest.raises(ClockError, match=r"sla\.toml: internal: found no first_response of tier 'L5'"):
        load_clocks(tiers=(*TIERS, "L5"))


def test_a_tier_that_is_promised_only_under_a_condition_is_refused(tmp_path: Path) -> None:
    only = ('when = { tiers = ["L2"] }', f'when = {{ tiers = ["L2"], primary_types = ["{NO_TYPE}"] }}')
    with pytest.raises(ClockError, match="found no first_response of tier 'L2'"):
        own(tmp_path, only, tiers=TIERS)


def test_a_rule_for_a_tier_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ClockError, match=r"l4_first_response\.when\.tiers: found 'L4'"):
        load_clocks(tiers=("L1", "L2", "L3"))
