"""Calendars: which days are worked in China, and when a period counted on them ends. No clock is read here."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from importlib.metadata import version
from itertools import count
from typing import Annotated, Literal

from chinese_calendar.constants import Holiday, holidays, workdays  # type: ignore[import-untyped]
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# China has kept UTC+8 without summer time since 1991; a fixed offset needs no time zone database on the machine.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
DAY = timedelta(days=1)
DAY_END = time(23, 59, 59)

Unit = Literal["分钟", "工作分钟", "自然小时", "工作小时", "自然日", "工作日"]
_MINUTES: dict[str, int] = {"分钟": 1, "工作分钟": 1, "自然小时": 60, "工作小时": 60}
_PERIOD = re.compile(r"([1-9]\d{0,3}) ?(分钟|工作分钟|自然小时|工作小时|自然日|工作日)")
_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class CalendarError(ValueError):
    """A year a calendar has no holidays for; the message names calendar, year and what to do."""

    def __init__(self, calendar: str, year: int) -> None:
        self.calendar, self.year = calendar, year
        super().__init__(
            f"calendar {calendar!r}: found no holidays of {year} ({calendar_version()} knows {_known_years()}); "
            f'upgrade chinesecalendar, or list its days under [calendars."{calendar}"] with listed_years = [{year}]'
        )


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time such as ``2 工作日``; 分钟 and 自然小时 run around the clock, 工作小时 only in working hours."""

    amount: int
    unit: Unit

    @classmethod
    def parse(cls, written: object) -> Period:
        """The period that ``written`` stands for. Raises ValueError."""
        match = _PERIOD.fullmatch(written) if isinstance(written, str) else None
        if match is None:
            raise ValueError(f"found {written!r}, expected a number of 1–9999 and a unit, such as '2 工作日'")
        return cls(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern lists the units

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"

    @property
    def in_days(self) -> bool:
        """Whether it ends at the end of a day."""
        return self.unit not in _MINUTES

    @property
    def needs_calendar(self) -> bool:
        """Whether it can be counted only where holidays are known."""
        return self.unit.startswith("工作")

    def plus(self, other: Period) -> Period:
        """Both together; they are of the same unit."""
        return Period(self.amount + other.amount, self.unit)


def _spans(written: object) -> object:
    """Working hours as ascending (opens, closes) in minutes of the day."""
    spans: list[tuple[int, int]] = []
    for entry in written if isinstance(written, list) and written else [written]:
        match = _SPAN.fullmatch(entry) if isinstance(entry, str) else None
        opens, closes = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
        if not (spans[-1][1] if spans else 0) <= opens < closes <= 24 * 60:
            raise ValueError(f"found {entry!r}, expected ascending spans such as ['09:00-12:00', '13:30-18:00']")
        spans.append((opens, closes))
    return tuple(spans)


class CalendarEntry(BaseModel):
    """One ``[calendars.NAME]`` of the file; ``listed_years`` are years whose days off stand in it in full."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Literal["国务院", "交易所"]
    hours: Annotated[tuple[tuple[int, int], ...], BeforeValidator(_spans)]
    holidays: tuple[Annotated[date, Field(strict=True)], ...] = ()
    workdays: tuple[Annotated[date, Field(strict=True)], ...] = ()
    listed_years: tuple[Annotated[int, Field(ge=1990, le=2100)], ...] = ()

    @model_validator(mode="after")
    def _no_day_is_both(self) -> CalendarEntry:
        if both := sorted(set(self.holidays) & set(self.workdays)):
            raise ValueError(f"found {both[0]} in holidays and in workdays, expected it in one of them")
        return self


class Calendar:
    """Working days and hours of one calendar, all worked out when it is made; safe to use from several threads."""

    def __init__(self, name: str, entry: CalendarEntry) -> None:
        self.name = name
        self.years = frozenset({day.year for day in holidays} | set(entry.listed_years))
        self.hours_zh = "、".join(f"{_clock(opens)}-{_clock(closes)}" for opens, closes in entry.hours)
        self._hours = [(timedelta(minutes=opens), timedelta(minutes=closes)) for opens, closes in entry.hours]
        made_up = set(entry.workdays) | (set(workdays) if entry.base == "国务院" else set())
        self._off: dict[date, str] = {}
        self._made_up: set[date] = set()
        self._working: list[date] = []
        for day in _days(self.years):
            usually_off = day.weekday() >= 5 or day in holidays
            if day in entry.holidays or (usually_off and day not in made_up):
                self._off[day] = _name(day)
                continue
            self._working.append(day)
            if usually_off:
                self._made_up.add(day)

        # The tickets of one day ask for the same few stretches of days.
        self._between_cached = lru_cache(maxsize=4096)(self._between)

    def between(self, first: date, last: date) -> tuple[tuple[str, ...], tuple[date, ...]]:
        """What lies after ``first`` up to ``last``: names of days off as they come, and days worked in exchange."""
        return self._between_cached(first, last)

    def check_years(self, first: int, last: int) -> None:
        """Nothing where every year of ``first``–``last`` has its holidays. Raises CalendarError."""
        for year in range(first, last + 1):
            if year not in self.years:
                raise CalendarError(self.name, year)

    def due(self, within: Period, start: datetime, *, extend_over_holidays: bool = False) -> datetime:
        """When ``within`` from ``start`` is over, in Asia/Shanghai; the day of ``start`` is not counted in days.

        Raises CalendarError where a year without holidays is needed, OverflowError past the year 9999.
        """
        if within.in_days:
            day = start.date()
            last = self._nth_after(day, within.amount) if within.needs_calendar else day + within.amount * DAY
            if extend_over_holidays:
                last = self._nth_after(last - DAY, 1, last)
            return datetime.combine(last, DAY_END, SHANGHAI)
        minutes = timedelta(minutes=within.amount * _MINUTES[within.unit])
        return self._after_working_time(start, minutes) if within.needs_calendar else start + minutes

    def _between(self, first: date, last: date) -> tuple[tuple[str, ...], tuple[date, ...]]:
        days = [first + i * DAY for i in range(1, (last - first).days + 1)]
        off = dict.fromkeys(self._off[day] for day in days if day in self._off)
        return tuple(off), tuple(day for day in days if day in self._made_up)

    def _nth_after(self, day: date, nth: int, needed_from: date | None = None) -> date:
        at = bisect_right(self._working, day) + nth - 1
        return self._reached(needed_from or day, at)

    def _after_working_time(self, start: datetime, amount: timedelta) -> datetime:
        for at in count(bisect_left(self._working, start.date())):
            midnight = datetime.combine(self._reached(start.date(), at), time(), SHANGHAI)
            for opens, closes in self._hours:
                begin = max(start, midnight + opens)
                left = midnight + closes - begin
                if amount <= left:
                    return begin + amount
                amount -= max(left, timedelta())
        raise AssertionError  # the working days end, and _reached says so

    def _reached(self, first: date, at: int) -> date:
        """The working day at position ``at``, if the holidays of every year on the way from ``first`` are known."""
        if at < len(self._working):
            self.check_years(first.year, self._working[at].year)
            return self._working[at]
        raise CalendarError(self.name, next(year for year in count(first.year) if year not in self.years))


class Calendars:
    """The named calendars in use."""

    def __init__(self, entries: dict[str, CalendarEntry]) -> None:
        self._calendars = {name: Calendar(name, entry) for name, entry in entries.items()}

    def __getitem__(self, name: str) -> Calendar:
        return self._calendars[name]

    @property
    def years(self) -> dict[str, tuple[int, ...]]:
        """The years each calendar covers, ascending, by name."""
        return {name: tuple(sorted(calendar.years)) for name, calendar in self._calendars.items()}

    def check_years(self, first: int, last: int) -> None:
        """Nothing where every calendar covers ``first``–``last``. Raises CalendarError; meant to be called at start."""
        for calendar in self._calendars.values():
            calendar.check_years(first, last)


def calendar_version() -> str:
    """Where the holidays come from: ``chinesecalendar`` and its version."""
    return f"chinesecalendar {version('chinesecalendar')}"


def shanghai(moment: datetime) -> datetime:
    """``moment`` in Asia/Shanghai. Raises ValueError for one without a time zone."""
    if moment.utcoffset() is None:
        raise ValueError(f"got {moment.isoformat()}, a naive datetime; expected one with a time zone, such as …+08:00")
    try:
        return moment.astimezone(SHANGHAI)
    except OverflowError:
        # The last hours of 9999 in UTC have no name in Shanghai: they stay at the end of time, where no period fits.
        return (datetime.max if moment.year > 1 else datetime.min).replace(tzinfo=SHANGHAI)


def _known_years() -> str:
    years = {day.year for day in holidays}
    return f"{min(years)}–{max(years)}"


def _days(years: Iterable[int]) -> Iterable[date]:
    for year in sorted(years):
        first = date(year, 1, 1)
        yield from (first + i * DAY for i in range((date(year, 12, 31) - first).days + 1))


def _name(day: date) -> str:
    if day in holidays:
        return f"{Holiday(holidays[day]).chinese}假期"
    return "周末" if day.weekday() >= 5 else "另列假日"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
