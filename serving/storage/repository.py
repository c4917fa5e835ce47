"""Every query of the service, on a connection whose transaction the caller owns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, bindparam, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from serving.storage.database import api_keys, decisions, idempotency_keys, installation, promises

Replayable = Row[*tuple[Any, ...]]
"""``(decision_id, source, ticket_id, text, text_sha256, kept, reply, created_at)`` of a decision."""
CustomerRow = Row[*tuple[Any, ...]]
"""``(decision_id, ticket_id, channel, received_at, primary_type, tier, reply, created_at)``, of one customer."""
Answered = Row[*tuple[Any, ...]]
"""``(decision_id, source, ticket_id, received_at, reply)`` of a decision that is being answered."""
PromiseRow = Row[*tuple[Any, ...]]
"""A row of ``promises``."""

_MOST_CONTACTS = 1_000
"""Counting stops here: behind an id with more tickets stands no single customer, and every ticket would pay for it."""

# Statements are built once, with parameters: building one costs more than SQLite takes to run it.
_SAME_TICKET = (decisions.c.source == bindparam("of_source"), decisions.c.ticket_id == bindparam("of_ticket_id"))
_BY_ID = select(decisions.c.reply).where(decisions.c.decision_id == bindparam("of_id"))
_BY_TEXT = select(decisions.c.decision_id, decisions.c.reply).where(
    *_SAME_TICKET, decisions.c.text_sha256 == bindparam("of_text_sha256")
)
_REVISIONS = (
    select(decisions.c.revision, decisions.c.created_at, decisions.c.reply)
    .where(*_SAME_TICKET)
    .order_by(decisions.c.revision)
)
_NEXT_REVISION = select(func.coalesce(func.max(decisions.c.revision), 0) + 1).where(*_SAME_TICKET).scalar_subquery()
_CLAIM = select(idempotency_keys.c.body_hmac, idempotency_keys.c.decision_id).where(
    idempotency_keys.c.key_hmac == bindparam("of_key_hmac")
)

_REPLAYABLE = select(
    decisions.c.decision_id,
    decisions.c.source,
    decisions.c.ticket_id,
    decisions.c.text,
    decisions.c.text_sha256,
    decisions.c.kept,
    decisions.c.reply,
    decisions.c.created_at,
)
_REPLAYABLE_BY_ID = _REPLAYABLE.where(decisions.c.decision_id == bindparam("of_id"))


def _page(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The next ``at_most`` rows of ``statement`` after ``(of_time, of_id)``, oldest first."""
    place = (decisions.c.created_at, decisions.c.decision_id)
    after = statement.where(tuple_(*place) > tuple_(bindparam("of_time"), bindparam("of_id")))
    return after.order_by(*place).limit(bindparam("at_most"))


_REPLAYABLE_AFTER = _page(_REPLAYABLE)

_SAME_CUSTOMER = (decisions.c.source == bindparam("of_source"), decisions.c.customer_id == bindparam("of_customer_id"))
_CONTACTS = select(func.count()).select_from(
    select(decisions.c.ticket_id)
    .distinct()
    .where(
        *_SAME_CUSTOMER,
        # What was received in the window was also decided in it or later: that half is the index.
        decisions.c.created_at >= bindparam("of_start"),
        decisions.c.received_at.between(bindparam("of_start"), bindparam("of_end")),
        decisions.c.ticket_id != bindparam("of_ticket_id"),
    )
    .limit(_MOST_CONTACTS)
    .subquery()
)
_CUSTOMER_AFTER = _page(
    select(
        decisions.c.decision_id,
        decisions.c.ticket_id,
        decisions.c.channel,
        decisions.c.received_at,
        decisions.c.primary_type,
        decisions.c.tier,
        decisions.c.reply,
        decisions.c.created_at,
    ).where(*_SAME_CUSTOMER)
)
_ANSWERED = select(
    decisions.c.decision_id,
    decisions.c.source,
    decisions.c.ticket_id,
    decisions.c.received_at,
    decisions.c.reply,
).where(decisions.c.decision_id == bindparam("of_id"))
_BY_DUE = (promises.c.due_at.is_(None), promises.c.due_at, promises.c.id)
_OPEN_PROMISES = select(promises).where(promises.c.kept_at.is_(None)).order_by(*_BY_DUE)
_PROMISES_OF_TICKET = (
    select(promises)
    .where(promises.c.source == bindparam("of_source"), promises.c.ticket_id == bindparam("of_ticket_id"))
    .order_by(promises.c.id)
)


def decision_by_id(connection: Connection, decision_id: str) -> bytes | None:
    """The stored reply, or ``None``."""
    reply: bytes | None = connection.execute(_BY_ID, {"of_id": decision_id}).scalar()
    return reply


def decision_by_text(connection: Connection, source: str, ticket_id: str, text_sha256: str) -> tuple[str, bytes] | None:
    """``(decision_id, reply)`` for this text of this ticket, or ``None``."""
    of = {"of_source": source, "of_ticket_id": ticket_id, "of_text_sha256": text_sha256}
    row = connection.execute(_BY_TEXT, of).one_or_none()
    return None if row is None else (row.decision_id, row.reply)


def revisions(connection: Connection, source: str, ticket_id: str) -> Sequence[Row[Any, Any, Any]]:
    """``(revision, created_at, reply)`` of every decision about the ticket, newest last."""
    return connection.execute(_REVISIONS, {"of_source": source, "of_ticket_id": ticket_id}).all()


def replayable(connection: Connection, decision_id: str) -> Replayable | None:
    """The decision with everything it is replayed from, or ``None``."""
    row: Replayable | None = connection.execute(_REPLAYABLE_BY_ID, {"of_id": decision_id}).one_or_none()
    return row


def replayable_after(connection: Connection, created_at: str, decision_id: str, at_most: int) -> Sequence[Replayable]:
    """The next ``at_most`` such decisions, oldest first; an empty id means from ``created_at`` on."""
    of = {"of_time": created_at, "of_id": decision_id, "at_most": at_most}
    rows: Sequence[Replayable] = connection.execute(_REPLAYABLE_AFTER, of).all()
    return rows


def count_since(connection: Connection, created_at: str) -> int:
    """How many decisions were made from ``created_at`` on."""
    return connection.execute(
        select(func.count()).select_from(decisions).where(decisions.c.created_at >= created_at)
    ).scalar_one()


def contacts(connection: Connection, source: str, customer_id: str, ticket_id: str, start: str, end: str) -> int:
    """How many other tickets of the customer were received from ``start`` to ``end``, both in ISO 8601 and included."""
    of = {"of_source": source, "of_customer_id": customer_id, "of_ticket_id": ticket_id}
    return connection.execute(_CONTACTS, {**of, "of_start": start, "of_end": end}).scalar_one()


def customer_after(
    connection: Connection, source: str, customer_id: str, created_at: str, decision_id: str, at_most: int
) -> Sequence[CustomerRow]:
    """The next ``at_most`` decisions about the customer's tickets, oldest first; empty strings mean from the start."""
    of = {"of_source": source, "of_customer_id": customer_id}
    place = {"of_time": created_at, "of_id": decision_id, "at_most": at_most}
    rows: Sequence[CustomerRow] = connection.execute(_CUSTOMER_AFTER, {**of, **place}).all()
    return rows


def forget_customer(connection: Connection, source: str, customer_id: str) -> int:
    """Take the customer off all decisions; about how many tickets they were."""
    same = (decisions.c.source == source, decisions.c.customer_id == customer_id)
    tickets = connection.execute(
        update(decisions).where(*same).values(customer_id=None).returning(decisions.c.ticket_id)
    )
    return len(set(tickets.scalars()))


def answered(connection: Connection, decision_id: str) -> Answered | None:
    """The decision that a reply answers, or ``None``."""
    row: Answered | None = connection.execute(_ANSWERED, {"of_id": decision_id}).one_or_none()
    return row


def lock_decision(connection: Connection, decision_id: str) -> None:
    """Let nobody else write about the decision until the transaction ends; on SQLite nobody else writes anyway."""
    connection.execute(
        select(decisions.c.decision_id).where(decisions.c.decision_id == decision_id).with_for_update()
    ).one()


def is_promised(connection: Connection, row: dict[str, Any]) -> bool:
    """Whether the decision has this promise for the same moment, or one in these words that runs at ``made_at``."""
    running = and_(promises.c.kept_at.is_(None), or_(promises.c.due_at.is_(None), promises.c.due_at > row["made_at"]))
    same = (promises.c.decision_id == row["decision_id"], promises.c.text == row["text"])
    found = select(promises.c.id).where(*same, or_(promises.c.due_at == row["due_at"], running)).limit(1)
    return connection.execute(found).first() is not None


def insert_promise(connection: Connection, row: dict[str, Any]) -> None:
    """Write a promise down."""
    connection.execute(insert(promises).values(row))


def keep_promise(connection: Connection, promise_id: int, now: str) -> PromiseRow | None:
    """Note that a promise was kept; ``None`` when there is none that is open."""
    still_open = (promises.c.id == promise_id, promises.c.kept_at.is_(None))
    kept = update(promises).where(*still_open).values(kept_at=now).returning(promises)
    row: PromiseRow | None = connection.execute(kept).one_or_none()
    return row


def promises_of_ticket(connection: Connection, source: str, ticket_id: str) -> Sequence[PromiseRow]:
    """Every promise made about the ticket, in the order they were made."""
    of = {"of_source": source, "of_ticket_id": ticket_id}
    rows: Sequence[PromiseRow] = connection.execute(_PROMISES_OF_TICKET, of).all()
    return rows


def open_promises(connection: Connection) -> Sequence[PromiseRow]:
    """Every promise not kept yet, the first to fall due first."""
    rows: Sequence[PromiseRow] = connection.execute(_OPEN_PROMISES).all()
    return rows


def open_promises_to(connection: Connection, source: str, customer_id: str) -> Sequence[PromiseRow]:
    """Those of them that were made to the customer."""
    of = {"of_source": source, "of_customer_id": customer_id}
    rows: Sequence[PromiseRow] = connection.execute(_OPEN_PROMISES.join(decisions).where(*_SAME_CUSTOMER), of).all()
    return rows


def insert_decision(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert ``row`` as the next revision of its ticket; ``False`` when a unique constraint stood in the way."""
    statement = _insert_unless_there(connection.dialect.name, decisions, ("revision", _NEXT_REVISION))
    of = {"of_source": row["source"], "of_ticket_id": row["ticket_id"]}
    return connection.execute(statement, {**row, **of}).rowcount == 1


def claim(connection: Connection, key_hmac: str) -> tuple[str, str] | None:
    """``(body_hmac, decision_id)`` an idempotency key was claimed for, or ``None``."""
    row = connection.execute(_CLAIM, {"of_key_hmac": key_hmac}).one_or_none()
    return None if row is None else (row.body_hmac, row.decision_id)


def insert_claim(connection: Connection, key_hmac: str, body_hmac: str, decision_id: str, now: str) -> bool:
    """Claim an idempotency key; ``False`` when it is taken. The decision must follow before the commit."""
    row = {"key_hmac": key_hmac, "body_hmac": body_hmac, "decision_id": decision_id, "created_at": now}
    statement = _insert_unless_there(connection.dialect.name, idempotency_keys)
    return connection.execute(statement, row).rowcount == 1


def point_claim(connection: Connection, key_hmac: str, decision_id: str) -> None:
    """Lead an idempotency key to a decision that was there already."""
    connection.execute(
        update(idempotency_keys).where(idempotency_keys.c.key_hmac == key_hmac).values(decision_id=decision_id)
    )


def insert_api_key(connection: Connection, row: dict[str, Any]) -> bool:
    """Store an API key; ``False`` when its name is taken."""
    return connection.execute(_insert_unless_there(connection.dialect.name, api_keys), row).rowcount == 1


def api_key_rows(connection: Connection) -> Sequence[Row[Any, Any, Any, Any, Any]]:
    """``(name, prefix, sha256, created_at, revoked_at)`` of every key ever made, oldest first."""
    columns = api_keys.c
    return connection.execute(
        select(columns.name, columns.prefix, columns.sha256, columns.created_at, columns.revoked_at).order_by(
            columns.id
        )
    ).all()


def revoke_api_key(connection: Connection, name: str, now: str) -> bool:
    """Revoke the key called ``name``; ``False`` when there is none that is not revoked."""
    result = connection.execute(
        update(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return result.rowcount == 1


def remember(connection: Connection, name: str, value: str) -> str:
    """The value of a fact about this installation: ``value`` when it is new, else what was remembered first."""
    connection.execute(_insert_unless_there(connection.dialect.name, installation), {"name": name, "value": value})
    kept: str = connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar_one()
    return kept


def answers(connection: Connection) -> bool:
    """Whether the database answers a query on our tables."""
    return connection.scalar(select(func.count()).select_from(installation)) is not None


@cache
def _insert_unless_there(dialect: str, table: Table, *computed: tuple[str, Any]) -> Any:
    new = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # rowcount of an INSERT is only kept on request, and it is all that tells whether a row was written.
    statement = new(table).values(**dict(computed)) if computed else new(table)
    return statement.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
