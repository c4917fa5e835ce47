"""Every query of the service, on a connection whose transaction the caller owns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from serving.storage.database import api_keys, decisions, idempotency_keys, installation

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
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # rowcount of an INSERT is only kept on request, and it is all that tells whether a row was written.
    statement = insert(table).values(**dict(computed)) if computed else insert(table)
    return statement.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
