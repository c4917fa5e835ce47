"""The clocks of a decision: by when a ticket is answered and settled, by our promise and by law, and how counted."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from triage.calendars import DAY, Calendar, CalendarEntry, CalendarError, Calendars, Period, calendar_version, shanghai
from triage.taxonomy import OTHER, RISKS, TYPES, names

DEFAULT_SLA = Path(__file__).with_name("sla.toml")
NO_TYPE = "abstained"
"""What stands in ``primary_types`` for a ticket the model abstained on."""

Clock = Literal["first_response", "resolution"]
Basis = Literal["internal", "statutory"]
ORDER: tuple[tuple[Clock, Basis], ...] = (
    ("first_response", "internal"),
    ("first_response", "statutory"),
    ("resolution", "internal"),
    ("resolution", "statutory"),
)
_Within = Annotated[Period, BeforeValidator(Period.parse)]


class ClockError(ValueError):
    """A deadline file that cannot be applied; the message names file and field, what was found and what expected."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Strict(_Frozen):
    """What the file holds: an unknown field is refused together with those that are known."""

    @model_validator(mode="before")
    @classmethod
    def _fields_are_known(cls, given: Any) -> Any:
        if isinstance(given, dict) and (unknown := sorted(set(given) - set(cls.model_fields))):
            raise ValueError(f"found the unknown field {unknown[0]!r}, expected some of {list(cls.model_fields)}")
        return given


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


class When(_Strict):
    """Conditions of a rule; all that are given must hold. A list holds when one of its entries is found."""

    tiers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    primary_types: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> When:
        known = {"primary_types": (*names(TYPES), OTHER.name, NO_TYPE), "risks": names(RISKS)}
        for field, expected in known.items():
            if unknown := sorted(set(getattr(self, field)) - set(expected)):
                raise ValueError(f"{field}: found {unknown}, expected some of {list(expected)}")
        return self

    def holds(self, tier: str, queue: str, primary_type: str, risks: frozenset[str]) -> bool:
        """Whether all conditions hold."""
        return (
            (not self.tiers or tier in self.tiers)
            and (not self.queues or queue in self.queues)
            and (not self.primary_types or primary_type in self.primary_types)
            and (not self.risks or not risks.isdisjoint(self.risks))
        )


class Rule(_Strict):
    """One promise of our own: ``within`` of receipt, counted on ``calendar`` or on the file's."""

    code: str = Field(min_length=1)
    text: str = Field(min_length=1)
    clock: Clock
    within: _Within
    calendar: str | None = None
    when: When = When()


class Grant(_Strict):
    """An extension as the file names it; ``within`` comes on top of the rule's time and of the grants before it."""

    name: str
    within: _Within
    source: str


class StatutoryRule(Rule):
    """One rule of a pack; with ``starts_at`` it runs from that later event and not from receipt."""

    source: str = Field(min_length=1)
    extend_over_holidays: bool = False
    starts_at: str | None = None
    extensions: tuple[Grant, ...] = ()

    @model_validator(mode="after")
    def _can_be_counted(self) -> StatutoryRule:
        if self.extend_over_holidays and self.within.unit != "自然日":
            raise ValueError(f"extend_over_holidays: found within in {self.within.unit}, expected it in 自然日")
        for grant in self.extensions:
            if grant.within.unit != self.within.unit:
                raise ValueError(f"extensions: found {grant.within.unit}, expected {self.within.unit} as in within")
        return self


class Pack(_Strict):
    """The rules of one regulation; ``notice`` stands in the text of every deadline they set."""

    notice: str = Field(min_length=1)
    rules: tuple[StatutoryRule, ...]


class SlaFile(_Strict):
    """A file of deadlines, immutable once loaded."""

    version: str
    calendar: str
    profile: str
    calendars: dict[str, CalendarEntry]
    internal: tuple[Rule, ...]
    profiles: dict[str, tuple[str, ...]]
    packs: dict[str, Pack]

    @model_validator(mode="after")
    def _names_are_known(self) -> SlaFile:
        rules = [*self.internal, *(rule for pack in self.packs.values() for rule in pack.rules)]
        checks: list[tuple[str, Collection[str], Collection[str]]] = [
            ("calendar", [self.calendar], self.calendars),
            ("profile", [self.profile], self.profiles),
            *((f"profiles.{name}", packs, self.packs) for name, packs in self.profiles.items()),
            *((f"rule {rule.code}: calendar", [rule.calendar or self.calendar], self.calendars) for rule in rules),
        ]
        for where, found, expected in checks:
            if unknown := sorted(set(found) - set(expected)):
                raise ValueError(f"{where}: found {unknown[0]!r}, expected one of {list(expected)}")
        codes = [rule.code for rule in rules]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"rules: found the code {twice[0]!r} twice, expected codes that differ")
        for name, entry in self.calendars.items():
            if name in ("国务院", "交易所") and entry.base != name:
                raise ValueError(f"calendars.{name}.base: found {entry.base!r}, expected {name!r}, as the name says")
        return self


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
        used = [rule.calendar or sla.calendar for rule in (*sla.internal, *(law for law, _ in laws))]
        self.calendars = Calendars({name: sla.calendars[name] for name in dict.fromkeys(used)})
        self._active = [
            *(_Active(rule, self.calendars[rule.calendar or sla.calendar]) for rule in sla.internal),
            *(_Active(law, self.calendars[law.calendar or sla.calendar], law, notice) for law, notice in laws),
        ]

    def check_years(self, first: int, last: int) -> None:
        """Nothing where the holidays of ``first``–``last`` are known to every calendar in use. Raises CalendarError."""
        self.calendars.check_years(first, last)

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
    try:
        raw = path.read_bytes()
        sla = SlaFile.model_validate(tomllib.loads(raw.decode("utf-8")))
    except OSError as error:
        raise ClockError(f"{path}: cannot be read ({error.strerror}); expected a file of deadlines in TOML") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        found = "" if first["type"] in ("value_error", "missing") else f", found {first['input']!r:.80}"
        raise ClockError(f"{path}: {where}: {first['msg']}{found}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ClockError(f"{path}: is not valid TOML in UTF-8: {error}") from error
    profile = profile or sla.profile
    if profile not in sla.profiles:
        raise ClockError(f"{path}: profiles: found no {profile!r}, expected one of {list(sla.profiles)}")
    if tiers:
        _check_tiers(path, sla, tiers)
    return Clocks(sla, hashlib.sha256(raw).hexdigest(), profile)


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
