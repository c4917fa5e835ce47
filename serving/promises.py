"""What customers were promised: written down when the reply is sent, open until somebody says that it was kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Engine

from serving.clock import iso_utc, utc_now
from serving.storage import repository
from serving.storage.database import reader
from serving.storage.repository import Answered
from triage.calendars import shanghai
from triage.redaction import redact
from triage.reply.lint import Promise
from triage.text import clean

_CLAUSE_ENDS = frozenset(",，;；。!！?？\n")
_SENTENCE_ENDS = frozenset(";；。!！?？\n")


class TrackedPromise(BaseModel):
    """A promise as it was sent; times in Asia/Shanghai. ``due_at`` is null where no moment was promised or is known."""

    model_config = ConfigDict(frozen=True)

    promise_id: int
    decision_id: str
    text: str = Field(description="The words of the reply, cleaned and masked.")
    made_at: AwareDatetime
    due_at: AwareDatetime | None
    kept_at: AwareDatetime | None = Field(description="Null while it is open.")
    overdue: bool = Field(description="Open, and past due_at.")


class Promises:
    """The promises of all tickets. Safe to call from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, *, overdue: bool = False) -> list[tuple[str, str, TrackedPromise]]:
        """``(source, ticket_id, promise)`` of all that are open or of the overdue ones, the first to fall due first."""
        with reader(self._engine).connect() as connection:
            rows = repository.open_promises(connection)
        every = zip(rows, tracked(rows), strict=True)
        return [(row.source, row.ticket_id, promise) for row, promise in every if promise.overdue or not overdue]

    def keep(self, promise_id: int) -> TrackedPromise | None:
        """The promise, noted as kept; None when there is no such open promise."""
        with self._engine.begin() as connection:
            row = repository.keep_promise(connection, promise_id, utc_now())
        return tracked([row])[0] if row else None


def track(connection: Connection, found: Answered, draft: str, made: Iterable[Promise], at: datetime) -> None:
    """Write down what ``draft``, sent at ``at`` about the decision ``found``, promises.

    Saying again what is still open and not yet due makes no second promise, so a request may be repeated.
    """
    repository.lock_decision(connection, found.decision_id)
    for text, promise in _worded(draft, list(made)):
        row = {
            "decision_id": found.decision_id,
            "source": found.source,
            "ticket_id": found.ticket_id,
            "text": text,
            "due_at": promise.due_at and iso_utc(promise.due_at),
            "made_at": iso_utc(at),
        }
        if not repository.is_promised(connection, row):
            repository.insert_promise(connection, row)


def tracked(rows: Iterable[Any]) -> list[TrackedPromise]:
    """Stored promises as they stand now."""
    moment = utc_now()
    return [
        TrackedPromise(
            promise_id=row.id,
            decision_id=row.decision_id,
            text=row.text,
            made_at=_moment(row.made_at),
            due_at=row.due_at and _moment(row.due_at),
            kept_at=row.kept_at and _moment(row.kept_at),
            overdue=row.kept_at is None and row.due_at is not None and row.due_at < moment,
        )
        for row in rows
    ]


def _moment(stored: str) -> datetime:
    return shanghai(datetime.fromisoformat(stored))


def _worded(draft: str, made: list[Promise]) -> list[tuple[str, Promise]]:
    """Each promise with the words it was made in: from its clause to the next promise or the end of the sentence."""
    masked = redact(clean(draft))[0]
    begins: list[int] = []
    done = 0
    for promise in made:
        begin = promise.start
        while begin > done and draft[begin - 1] not in _CLAUSE_ENDS:
            begin -= 1
        begins.append(begin)
        done = promise.end
    worded = []
    for promise, begin, following in zip(made, begins, [*begins, len(draft)][1:], strict=True):
        end = promise.end
        while end < following and draft[end] not in _SENTENCE_ENDS:
            end += 1
        first, last = bisect_left(masked.starts, begin), bisect_left(masked.starts, end)
        worded.append((masked.text[first:last].strip(" ,"), promise))
    return worded
