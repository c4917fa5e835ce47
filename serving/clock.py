"""The time as the service writes it down."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from triage.calendars import SHANGHAI

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


def since(said: str) -> datetime:
    """The moment that 30d, 12h or a date (its first moment in China) goes back to; raises ``ValueError``."""
    try:
        if ago := re.fullmatch(r"([0-9]+)([dh])", said):
            amount = int(ago[1])
            return now() - (timedelta(days=amount) if ago[2] == "d" else timedelta(hours=amount))
        return datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=SHANGHAI)
    except (ValueError, OverflowError):
        raise ValueError(
            f"got {said!r}, expected days such as 30d, hours such as 12h, or a date as 2026-01-31"
        ) from None
