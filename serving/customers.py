"""Complainant pictures 投诉人画像: what the stored tickets of a customer add up to, and forgetting whose they were.

Counted from stored tickets and from nothing else: what a person is — age, sex, job — is neither asked nor guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from statistics import fmean
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Engine

from serving.clock import now
from serving.privacy import Pseudonyms
from serving.promises import TrackedPromise, tracked
from serving.storage import repository
from serving.storage.database import reader
from triage.calendars import shanghai
from triage.policy import ABSTAINED
from triage.records import Level
from triage.taxonomy import INTENSITY_LEVELS, ZH

_ROWS_AT_ONCE = 256
_TREND_STEP = 0.5
_TRENDS = {"rising": "上升", "falling": "下降", "steady": "平稳", None: "不足以判断"}


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class TicketCounts(_Reply):
    """Tickets by how long ago they were received, in days."""

    last_30_days: int
    last_90_days: int
    last_365_days: int
    all: int


class Month(_Reply):
    """The tickets of a calendar month; the mean of their intensity levels 0–3 is null where none was read."""

    month: str = Field(examples=["2026-03"], description="In Asia/Shanghai.")
    tickets: int
    mean_intensity: float | None


class Picture(_Reply):
    """A customer as the stored tickets show: each counts once, when it was first received, as it was last decided."""

    source: str
    customer_id: str
    tickets: TicketCounts
    first_at: AwareDatetime
    last_at: AwareDatetime
    channels: dict[str, int] = Field(description="Tickets by channel, where one was given.")
    types: dict[str, int] = Field(description=f"Tickets by primary type; {ABSTAINED!r} where none was assigned.")
    tiers: dict[str, int]
    months: tuple[Month, ...] = Field(description="Months with tickets, oldest first.")
    trend: Literal["rising", "falling", "steady"] | None = Field(
        description="Mean intensity level of the newer half of the tickets against that of the older half, the middle "
        f"one left out of an odd number: rising or falling from a difference of {_TREND_STEP}; null below two tickets."
    )
    promises: tuple[TrackedPromise, ...] = Field(description="Open ones, the first to fall due first.")


class Forgotten(_Reply):
    """Whose tickets no longer lead to the customer; they themselves stay."""

    source: str
    customer_id: str
    tickets: int


@dataclass(slots=True)
class _Ticket:
    received_at: datetime
    channel: str | None = None
    type: str = ABSTAINED
    tier: str = ""
    intensity: int | None = None


class _Read(BaseModel):
    """The part of a stored decision that no column holds."""

    intensity: Level | None


class Customers:
    """Pictures of customers by the id their ticketing system knows them by. Safe to call from several threads."""

    def __init__(self, engine: Engine, pseudonyms: Pseudonyms) -> None:
        self._engine = engine
        self._pseudonyms = pseudonyms

    def picture(self, source: str, customer_id: str) -> Picture | None:
        """What is stored about the customer adds up to; None when no ticket is stored under that id."""
        of = self._stored(source, customer_id)
        with reader(self._engine).connect() as connection:
            tickets = _tickets(_rows(connection, *of))
            promises = tracked(repository.open_promises_to(connection, *of))
        if not tickets:
            return None
        moment = now()
        return Picture(
            source=source,
            customer_id=customer_id,
            tickets=TicketCounts(
                **{f"last_{days}_days": _since(tickets, moment - timedelta(days=days)) for days in (30, 90, 365)},
                all=len(tickets),
            ),
            first_at=tickets[0].received_at,
            last_at=tickets[-1].received_at,
            channels=_counted(ticket.channel for ticket in tickets if ticket.channel),
            types=_counted(ticket.type for ticket in tickets),
            tiers=_counted(ticket.tier for ticket in tickets),
            months=tuple(_months(tickets)),
            trend=_trend([ticket.intensity for ticket in tickets if ticket.intensity is not None]),
            promises=tuple(promises),
        )

    def forget(self, source: str, customer_id: str) -> Forgotten | None:
        """Take the customer's id off every stored ticket, for good; None when no ticket is stored under it."""
        with self._engine.begin() as connection:
            tickets = repository.forget_customer(connection, *self._stored(source, customer_id))
        return Forgotten(source=source, customer_id=customer_id, tickets=tickets) if tickets else None

    def _stored(self, source: str, customer_id: str) -> tuple[str, str]:
        return self._pseudonyms.storable(source), self._pseudonyms.storable(customer_id)


def page(picture: Picture) -> str:
    """The picture as a handler reads it."""
    count = picture.tickets
    lines = [
        f"客户 {picture.customer_id}（来源 {picture.source}）",
        f"来件：近30天 {count.last_30_days}，近90天 {count.last_90_days}，近一年 {count.last_365_days}，共 {count.all}",
        f"首次 {picture.first_at:%Y-%m-%d}，最近 {picture.last_at:%Y-%m-%d}",
        f"渠道：{_listed(picture.channels) or '未注明'}",
        f"类型：{_listed({ZH.get(name, '未作判断'): number for name, number in picture.types.items()})}",
        f"层级：{_listed(picture.tiers)}",
    ]
    for month in picture.months:
        felt = "未知" if month.mean_intensity is None else f"{month.mean_intensity:.1f}"
        lines.append(f"  {month.month}　{month.tickets} 件，情绪强度平均 {felt}")
    lines.append(f"情绪趋势（0 {INTENSITY_LEVELS[0]} – 3 {INTENSITY_LEVELS[3]}）：{_TRENDS[picture.trend]}")
    for promise in picture.promises:
        due = f"{promise.due_at:%Y-%m-%d %H:%M}" if promise.due_at else "未定时间"
        lines.append(f"承诺 {due}{'（已逾期）' if promise.overdue else ''}：{promise.text}")
    return "\n".join(lines)


def _rows(connection: Connection, source: str, customer_id: str) -> Iterator[repository.CustomerRow]:
    place = ("", "")
    while rows := repository.customer_after(connection, source, customer_id, *place, _ROWS_AT_ONCE):
        yield from rows
        place = (rows[-1].created_at, rows[-1].decision_id)


def _tickets(rows: Iterable[repository.CustomerRow]) -> list[_Ticket]:
    """One for each ticket, by when it was first received; its later revisions say how it stands."""
    tickets: dict[str, _Ticket] = {}
    for row in rows:
        received_at = shanghai(datetime.fromisoformat(row.received_at or row.created_at))
        ticket = tickets.setdefault(row.ticket_id, _Ticket(received_at))
        ticket.channel, ticket.type, ticket.tier = row.channel, row.primary_type or ABSTAINED, row.tier
        read = _Read.model_validate_json(row.reply).intensity
        ticket.intensity = None if read is None else read.level
    return sorted(tickets.values(), key=lambda ticket: ticket.received_at)


def _since(tickets: Iterable[_Ticket], start: datetime) -> int:
    return sum(ticket.received_at >= start for ticket in tickets)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _months(tickets: Sequence[_Ticket]) -> Iterator[Month]:
    for month, group in groupby(tickets, key=lambda ticket: f"{ticket.received_at:%Y-%m}"):
        received = list(group)
        levels = [ticket.intensity for ticket in received if ticket.intensity is not None]
        yield Month(month=month, tickets=len(received), mean_intensity=round(fmean(levels), 2) if levels else None)


def _trend(levels: Sequence[int]) -> Literal["rising", "falling", "steady"] | None:
    half = len(levels) // 2
    if not half:
        return None
    change = fmean(levels[-half:]) - fmean(levels[:half])
    return "rising" if change >= _TREND_STEP else "falling" if change <= -_TREND_STEP else "steady"


def _listed(counts: dict[str, int]) -> str:
    return "，".join(f"{name} {number}" for name, number in counts.items())
