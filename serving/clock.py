"""The time as the service writes it down."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> str:
    """Now, as ISO 8601 in UTC with microseconds."""
    return iso_utc(datetime.now(UTC))


def iso_utc(moment: datetime) -> str:
    """``moment`` (aware) as ISO 8601 in UTC; sorts as text in the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
