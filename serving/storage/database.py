"""Tables and engines, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMA_REVISION = "0002"
"""The Alembic revision this code reads and writes."""

_EXPECTED_URL = "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Times are ISO 8601 in UTC as text: the same bytes, the same order, on both databases.
decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String(64), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("ticket_id", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("text_sha256", String(64), nullable=False),
    Column("text", Text, nullable=False, comment="Cleaned and masked."),
    Column("channel", String(200)),
    Column("customer_id", String(200)),
    Column("received_at", String(40)),
    Column("metadata", Text, comment="Masked JSON."),
    Column("primary_type", String(40), index=True),
    Column("tier", String(20), nullable=False, index=True),
    Column("queue", String(100), nullable=False),
    Column("abstained", Boolean, nullable=False),
    Column("model", String(100), nullable=False),
    Column("policy", String(100), nullable=False),
    Column("reply", LargeBinary, nullable=False, comment="The exact bytes of the decision."),
    Column("created_at", String(40), nullable=False, index=True),
    Column("kept", Text, comment="JSON of triage.replay.Kept; null in rows older than revision 0002."),
    UniqueConstraint("source", "ticket_id", "text_sha256"),
    UniqueConstraint("source", "ticket_id", "revision"),
    Index(None, "source", "customer_id", "created_at"),
)

promises = Table(
    "promises",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("decision_id", String(64), ForeignKey("decisions.decision_id"), nullable=False),
    Column("source", String(200), nullable=False),
    Column("ticket_id", String(200), nullable=False),
    Column("text", Text, nullable=False, comment="Cleaned and masked."),
    Column("due_at", String(40)),
    Column("made_at", String(40), nullable=False),
    Column("kept_at", String(40), comment="Null while it is open."),
    Index(None, "source", "ticket_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_hmac", String(64), primary_key=True),
    Column("body_hmac", String(64), nullable=False),
    # Deferred: the key is claimed first, and only the winner goes on to write the decision.
    Column(
        "decision_id",
        String(64),
        ForeignKey("decisions.decision_id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("created_at", String(40), nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("prefix", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", String(40), nullable=False),
    Column("revoked_at", String(40)),
)

installation = Table(
    "installation",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)


def database_url(url: str) -> URL:
    """``url`` with the driver we use; accepts ``sqlite:``, ``postgres:`` and ``postgresql:``, else ``ValueError``."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(f"FENZHEN_DATABASE_URL is not a URL: {_EXPECTED_URL}") from None
    backend = parsed.get_backend_name()
    if backend in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite")
    raise ValueError(f"FENZHEN_DATABASE_URL is not one we can use: got {backend}, {_EXPECTED_URL}")


def open_engine(url: str, connections: int = 8) -> Engine:
    """An engine on ``url`` with at most ``connections`` pooled connections; creates the folder of a SQLite file."""
    parsed = database_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, pool_size=connections, max_overflow=4, pool_pre_ping=True, hide_parameters=True)
    Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed, pool_size=connections, max_overflow=4, hide_parameters=True, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def reader(engine: Engine) -> Engine:
    """``engine`` for single reads, each of its own: without BEGIN, and on SQLite without the write lock."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="AUTOCOMMIT")
    return engine.execution_options(fenzhen_reads_only=True)


def schema_revision(engine: Engine) -> str | None:
    """The revision the database is at; ``None`` when it has no tables of ours yet."""
    with reader(engine).connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def upgrade(engine: Engine) -> None:
    """Bring the tables to ``SCHEMA_REVISION``. Does nothing, and does not import Alembic, when they are there."""
    if schema_revision(engine) != SCHEMA_REVISION:
        from serving.storage.migrations import run

        run(engine)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by _begin_sqlite; the driver's own implicit BEGIN would start them too late.
    connection.isolation_level = None
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("fenzhen_reads_only", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
