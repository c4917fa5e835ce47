"""Facts: what a complaint says of when, where, who, what, how much and how often, as spans of the text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import chain
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from triage.listening.found import KIND_ZH, Days, Kind
from triage.listening.mentions import named, staff_name
from triage.listening.moments import times
from triage.listening.numerals import counted
from triage.listening.quotes import said
from triage.text import AlignedText

__all__ = ["Days", "Fact", "Kind", "Span", "extract_facts", "staff_named"]

Role = Literal["staff", "customer", "family"]
CHINA = timezone(timedelta(hours=8))
"""Where 昨天 is said: China keeps one offset all year, whatever offset ``received_at`` is written in."""
_FIELD: dict[Kind, str] = {
    "time": "resolved",
    "amount": "yuan",
    "duration": "days",
    "contact": "count",
    "person": "role",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Frozen):
    """``[start, end)`` indexes the original text in characters; ``text`` is what the cleaned, masked text has there."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str


class Fact(Span):
    """One fact. Of the last five fields only the one its kind has is given, and only where it is certain."""

    kind: Kind
    label: str = Field(description="Chinese name of the kind.")
    resolved: Days | None = Field(default=None, description="time: the days meant, in China.")
    yuan: Decimal | None = Field(default=None, description="amount: in yuan.")
    days: float | None = Field(default=None, description="duration: in days; a month counts 30, a year 365.")
    count: int | None = Field(default=None, description="contact: how many; null for 多次 and the like.")
    role: Role | None = Field(default=None, description="person: which side the person stands on.")


def extract_facts(aligned: AlignedText, received_at: datetime | None) -> tuple[Fact, ...]:
    """The facts of a cleaned, masked text, by position; facts of one kind do not overlap.

    Without ``received_at`` only full dates are resolved. Raises ValueError when it has no offset.
    """
    if received_at is not None and received_at.utcoffset() is None:
        raise ValueError(f"received_at: got {received_at.isoformat()} without an offset, expected one such as +08:00")
    today = None if received_at is None else received_at.astimezone(CHINA).date()
    text = aligned.text
    found = sorted(
        chain(times(text, today), counted(text), named(text), said(text)), key=lambda f: (f.start, -f.end, f.kind)
    )
    done: dict[Kind, int] = {}
    facts = []
    for item in found:
        start, end = aligned.span(item.start, item.end)
        if start >= done.get(item.kind, 0):
            done[item.kind] = end
            shown = text[item.start : item.end]
            value: dict[str, Any] = {} if item.value is None else {_FIELD[item.kind]: item.value}
            facts.append(Fact(kind=item.kind, label=KIND_ZH[item.kind], start=start, end=end, text=shown, **value))
    return tuple(facts)


def staff_named(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Each staff member the facts name, once, in text order: 8021 for 工号8021, else as written (客服小李, 张经理).

    A bare role word (客服, 师傅) and a masked number name nobody.
    """
    names = (staff_name(fact.text) for fact in facts if fact.role == "staff")
    return tuple(dict.fromkeys(name for name in names if name is not None))
