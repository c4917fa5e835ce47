"""The ticket as a ticketing system posts it, validated at the door."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator

MAX_TEXT_CHARS = 20_000
MAX_CONTACTS = 10_000
MAX_EXTRA_VALUES = 1_000
MAX_EXTRA_CHARS = 20_000
MAX_EXTRA_DEPTH = 16
MAX_INTEGER = 2**63 - 1

CUSTOMER_FLAGS = ("vip", "vulnerable")

_ISO_8601 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})")

_VISIBLE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_VISIBLE)]
Extra = Annotated[
    dict[str, JsonValue],
    Field(description=f"At most {MAX_EXTRA_VALUES} values, {MAX_EXTRA_CHARS} characters, {MAX_EXTRA_DEPTH} levels."),
]


class Ticket(BaseModel):
    """One complaint. Only ``text`` is required; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS, description="The complaint as the customer wrote it.")
    ticket_id: Identifier | None = Field(default=None, description="The caller's own ticket number.")
    source: Identifier = Field(default="default", description="The ticketing system; ticket_id is unique within it.")
    channel: Identifier | None = Field(default=None, description="How it came in: 电话, app, 邮件, 12378 …")
    customer_id: Identifier | None = Field(
        default=None, description="The caller's own customer number; leave it out where the customer is not known."
    )
    received_at: Annotated[AwareDatetime | None, Field(strict=False)] = Field(
        default=None, description="ISO 8601 with an offset."
    )
    amount: Annotated[Decimal | None, Field(strict=False, ge=0, max_digits=14, decimal_places=2)] = Field(
        default=None, description="Yuan in dispute, where the caller knows it; else it is read from the text."
    )
    previous_contacts: int | None = Field(
        default=None,
        ge=0,
        le=MAX_CONTACTS,
        description="Earlier contacts about the same matter. Else read from the text or, where that is more, counted "
        "by the server: the customer's other tickets within the policy's contacts_within_days.",
    )
    opened_at: Annotated[AwareDatetime | None, Field(strict=False)] = Field(
        default=None, description="When the case was first opened, if it is an older one; ISO 8601 with an offset."
    )
    customer_flags: Annotated[tuple[Literal["vip", "vulnerable"], ...], Field(strict=False)] = ()
    contact: Extra | None = Field(default=None, description="Personal data; never stored or logged.")
    metadata: Extra | None = Field(default=None, description="Stored masked, returned to nobody else.")

    @field_validator("text", "ticket_id", "source", "channel", "customer_id")
    @classmethod
    def _storable(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if not value.strip():
            raise ValueError("expected at least one visible character")
        _check_characters(value)
        return value

    @field_validator("received_at", "opened_at", mode="before")
    @classmethod
    def _iso_8601(cls, value: object) -> object:
        # pydantic's lax mode would also read numbers as seconds since 1970; a bare number is more often a mistake.
        if value is None or isinstance(value, datetime):
            return value
        if not isinstance(value, str) or not _ISO_8601.fullmatch(value):
            raise ValueError("expected ISO 8601 with an offset, such as 2026-01-31T09:30:00+08:00")
        return value

    @field_validator("received_at", "opened_at")
    @classmethod
    def _in_utc_range(cls, value: datetime | None) -> datetime | None:
        try:
            return value if value is None else value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("expected a moment within the years 0001–9999 in UTC") from error

    @field_validator("contact", "metadata", mode="before")
    @classmethod
    def _bounded(cls, value: object) -> object:
        if isinstance(value, dict):
            _check_extra(value)
        return value


def _check_characters(value: str) -> None:
    if "\x00" in value:
        raise ValueError("expected text without NUL characters (U+0000)")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError("expected valid Unicode without lone surrogates (U+D800–U+DFFF)") from error


def _check_extra(extra: dict[object, object]) -> None:
    """Raise ``ValueError`` when ``extra`` holds what a database cannot keep, or too much of it."""
    values = chars = 0
    pending: list[tuple[object, int]] = [(extra, 1)]
    while pending:
        value, depth = pending.pop()
        values += 1
        if depth > MAX_EXTRA_DEPTH:
            raise ValueError(f"expected at most {MAX_EXTRA_DEPTH} levels of nesting")
        if isinstance(value, dict):
            texts = [key for key in value if isinstance(key, str)]
            pending.extend((item, depth + 1) for item in value.values())
        else:
            texts = [value] if isinstance(value, str) else []
        if isinstance(value, list):
            pending.extend((item, depth + 1) for item in value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("expected finite numbers only")
        elif isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise ValueError("expected integers of at most 64 bits; send larger ones as strings")
        for text in texts:
            _check_characters(text)
            chars += len(text)
        if values > MAX_EXTRA_VALUES or chars > MAX_EXTRA_CHARS:
            raise ValueError(f"expected at most {MAX_EXTRA_VALUES} values and {MAX_EXTRA_CHARS} characters")
