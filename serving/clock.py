"""The time as the service writes it down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK_SKEW = timedelta(minutes=10)
"""How far a caller's clock may run ahead of ours."""


def now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def utc_now() -> str:
    """Now, as ISO 8601 in UTC with microseconds."""
    return iso_utc(now())


def iso_utc(moment: datetime) -> str:
    """``moment`` (aware) as ISO 8601 in UTC; sorts as text in the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
