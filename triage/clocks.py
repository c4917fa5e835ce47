"""The clocks of a decision: by when a ticket is answered and settled, by our promise and by law, and how counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from triage.calendars import DAY, SHANGHAI, Calendar, CalendarError, Calendars, Period, calendar_version, shanghai
from triage.sla import NO_TYPE, Clock, Rule, SlaFile, StatutoryRule
from triage.toml_file import read_toml

DEFAULT_SLA = Path(__file__).with_name("sla.toml")

Basis = Literal["internal", "statutory"]
ORDER: tuple[tuple[Clock, Basis], ...] = (
    ("first_response", "internal"),
    ("first_response", "statutory"),
    ("resolution", "internal"),
    ("resolution", "statutory"),
)


class ClockError(ValueError):
    """A deadline file that cannot be applied; the message names file, line and field, what was found and expected."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Extension(_Frozen):
    """More time that an operator may grant; ``due_at`` (Asia/Shanghai) is the end with it and those before it."""

    name: str
    due_at: datetime | None
    source: str


class Deadline(_Frozen):
    """When a clock runs out, in Asia/Shanghai; ``due_at`` is null where no answer exists, and ``text`` says why."""

    clock: Clock
    basis: Basis
    due_at: datetime | None
    rule: str = Field(description="Code of the rule that set it.")
    source: str | None = Field(description="Regulation and article; null for a promise of our own.")
    text: str = Field(description="How it was counted, in Chinese.")
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class _Active:
    """A rule in use, its calendar, and for a statutory one the rule as such with its pack's notice."""

    rule: Rule
    calendar: Calendar
    law: StatutoryRule | None = None
    notice: str = ""

    @property
    def basis(self) -> Basis:
        return "statutory" if self.law else "internal"

    def count(self, start: datetime, within: Period | None = None) -> tuple[datetime | None, str]:
        """When the time from ``start`` is over, or None and why there is no answer, in Chinese."""
        within = within or self.rule.within
        extend = self.law is not None and self.law.extend_over_holidays
        try:
            return self.calendar.due(within, start, extend_over_holidays=extend), ""
        except CalendarError as error:
            why = f"需要 {error.year} 年的节假日，而日历“{error.calendar}”尚无该年数据，无法计算，请联系管理员"
            return None, why + (f"（如不顺延，至 {_last_day(within, start)} 24:00）" if extend else "")
        except OverflowError:
            return None, "超出 9999 年，无法计算"

    def how(self, start: datetime, due: datetime | None, why: str) -> str:
        """How ``due`` was counted from ``start``, in Chinese."""
        within, zh = self.rule.within, self.calendar.hours_zh
        amount = {
            "分钟": "分钟（全天计时）",
            "自然小时": "小时（全天计时）",
            "工作分钟": f"分钟（只计工作时间 {zh}）",
            "工作小时": f"个工作小时（工作时间 {zh}）",
            "自然日": "个自然日（当日不计）",
            "工作日": f"个工作日（按“{self.calendar.name}”日历，当日不计）",
        }[within.unit]
        said = f"自 {start:%Y-%m-%d %H:%M} 起 {within.amount} {amount}"
        if due is None:
            return f"{said}，{why}"
        if within.needs_calendar:
            off, made_up = self.calendar.between(start.date() if within.in_days else start.date() - DAY, due.date())
            said += f"，跳过{'、'.join(off)}" if off else ""
            said += f"，计入调休上班日 {'、'.join(f'{day:%m-%d}' for day in made_up)}" if made_up else ""
        elif within.in_days and (last := _last_day(within, start)) != due.date():
            off, _ = self.calendar.between(last - DAY, last)
            said += f"，末日 {last} 逢{off[0]}，顺延至其后首个工作日"
        return f"{said}，至 {_moment(due, within)}"


class Clocks:
    """Applies one file of deadlines under one profile. ``version`` and ``calendar_version`` are what receipts carry."""

    def __init__(self, sla: SlaFile, sha256: str, profile: str) -> None:
        self.version = f"{sla.version}+{sha256[:12]}"
        self.calendar_version = calendar_version()
        self.profile = profile
        packs = [sla.packs[name] for name in sla.profiles[profile]]
        laws = [(law, pack.notice) for pack in packs for law in pack.rules]
        used = [sla.calendar, *(rule.calendar or sla.calendar for rule in (*sla.internal, *(law for law, _ in laws)))]
        self.calendars = Calendars({name: sla.calendars[name] for name in dict.fromkeys(used)})
        self._calendar = self.calendars[sla.calendar]
        self._active = [
            *(_Active(rule, self.calendars[rule.calendar or sla.calendar]) for rule in sla.internal),
            *(_Active(law, self.calendars[law.calendar or sla.calendar], law, notice) for law, notice in laws),
        ]

    def check_years(self, first: int, last: int) -> None:
        """Nothing where the holidays of ``first``–``last`` are known to every calendar in use. Raises CalendarError."""
        self.calendars.check_years(first, last)

    def add_workdays(self, day: date, days: int) -> date | None:
        """The ``days``-th working day after ``day`` on the file's calendar; None where that needs unknown holidays."""
        try:
            return self._calendar.due(Period(days, "工作日"), datetime.combine(day, time(), SHANGHAI)).date()
        except CalendarError:
            return None

    def deadlines(
        self, *, tier: str, queue: str, primary_type: str | None, risks: frozenset[str], received_at: datetime
    ) -> tuple[Deadline, ...]:
        """The strictest deadline of each clock and basis that has a rule, in the order of ``ORDER``.

        Pure. Raises ValueError for a ``received_at`` without a time zone, and for nothing else.
        """
        start = shanghai(received_at)
        fired = [a for a in self._active if a.rule.when.holds(tier, queue, primary_type or NO_TYPE, risks)]
        now = [a for a in fired if a.law is None or a.law.starts_at is None]
        groups = [[a for a in now if (a.rule.clock, a.basis) == place] for place in ORDER]
        found = [_strictest(group, start) for group in groups if group]
        last_law = max((i for i, deadline in enumerate(found) if deadline.basis == "statutory"), default=None)
        if last_law is not None and (later := [a.law for a in fired if a.law and a.law.starts_at]):
            said = "、".join(f"{a.starts_at}后 {a.within}内{a.text}（{a.source}）" for a in later)
            found[last_law] = found[last_law].model_copy(update={"text": f"{found[last_law].text}；后续时限：{said}"})
        return tuple(found)

    def after(self, code: str, happened_at: datetime) -> Deadline:
        """The deadline of the rule ``code`` counted from ``happened_at``, for rules that start at a later event.

        Raises ValueError for a code that the profile has no such rule of, and for a moment without a time zone.
        """
        later = {a.rule.code: a for a in self._active if a.law and a.law.starts_at}
        if code not in later:
            raise ValueError(f"got the rule {code!r}, expected one of {sorted(later)} under profile {self.profile!r}")
        return _strictest([later[code]], shanghai(happened_at))


def load_clocks(path: Path | None = None, profile: str | None = None, tiers: Collection[str] = ()) -> Clocks:
    """The clocks of a file, by default the shipped one, under ``profile`` or the one the file names. Raises ClockError.

    Each of ``tiers`` must have an internal deadline of both clocks whatever the ticket, and no rule may name another.
    """
    path = path or DEFAULT_SLA
    sla, sha256 = read_toml(path, SlaFile, ClockError)
    profile = profile or sla.profile
    if profile not in sla.profiles:
        raise ClockError(f"{path}: profiles: found no {profile!r}, expected one of {list(sla.profiles)}")
    if tiers:
        _check_tiers(path, sla, tiers)
    return Clocks(sla, sha256, profile)


def _check_tiers(path: Path, sla: SlaFile, tiers: Collection[str]) -> None:
    for rule in (*sla.internal, *(law for pack in sla.packs.values() for law in pack.rules)):
        if unknown := sorted(set(rule.when.tiers) - set(tiers)):
            raise ClockError(f"{path}: {rule.code}.when.tiers: found {unknown[0]!r}, expected some of {list(tiers)}")
    for tier in tiers:
        for clock in ("first_response", "resolution"):
            # Nothing but the tier is given, so a rule with any other condition does not hold.
            if not any(r.clock == clock and r.when.holds(tier, "", "", frozenset()) for r in sla.internal):
                raise ClockError(
                    f"{path}: internal: found no {clock} of tier {tier!r}, "
                    f'expected a rule with when = {{ tiers = ["{tier}"] }} and no other condition'
                )


def _strictest(group: list[_Active], start: datetime) -> Deadline:
    """The earliest of rules for the same clock; those without an answer count as latest, and the text names them."""
    counted = [(a, *a.count(start)) for a in group]
    counted.sort(key=lambda item: (item[1] is None, item[1] or start))  # stable: the file's order among equals
    (winner, due, why), *others = counted
    law, within = winner.law, winner.rule.within
    text = f"{winner.rule.text}：{f'{law.starts_at}，' if law and law.starts_at else ''}{winner.how(start, due, why)}"
    extensions = []
    if law:
        text += f"（依据：{law.source}；{winner.notice}）"
        for grant in law.extensions:
            within = within.plus(grant.within)
            until, no = winner.count(start, within)
            extensions.append(Extension(name=grant.name, due_at=until, source=grant.source))
            text += (
                f"；可由人工延长：{grant.name}，再加 {grant.within}，{f'至 {_moment(until, within)}' if until else no}"
            )
    for other, until, no in others:
        if until is None or other.law:
            text += f"；另有 {other.rule.text}：{f'至 {_moment(until, other.rule.within)}' if until else no}"
            text += f"（{other.law.source}）" if other.law else ""
    return Deadline(
        clock=winner.rule.clock,
        basis=winner.basis,
        due_at=due,
        rule=winner.rule.code,
        source=law.source if law else None,
        text=text,
        extensions=tuple(extensions),
    )


def _last_day(within: Period, start: datetime) -> date:
    return start.date() + within.amount * DAY


def _moment(due: datetime, within: Period) -> str:
    return f"{due:%Y-%m-%d} 24:00" if within.in_days else f"{due:%Y-%m-%d %H:%M}"
