"""The tables that migrations make are the tables the code uses, on both databases."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from serving.storage import migrations, repository
from serving.storage.database import SCHEMA_REVISION, database_url, metadata, open_engine, schema_revision, upgrade


def test_migrated_tables_match_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_code_expects_the_newest_revision(engine: Engine) -> None:
    assert ScriptDirectory.from_config(migrations.config()).get_current_head() == SCHEMA_REVISION
    assert schema_revision(engine) == SCHEMA_REVISION


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    migrations.run(engine)
    assert schema_revision(engine) == SCHEMA_REVISION


def test_decisions_from_before_what_is_kept_stay_readable(database_url: str) -> None:
    engine = open_engine(database_url)
    alembic = migrations.config()
    old = {
        **dict.fromkeys(("decision_id", "source", "ticket_id", "text_sha256", "text", "tier", "queue"), "x"),
        **dict.fromkeys(("model", "policy", "created_at"), "x"),
        "revision": 1,
        "abstained": False,
        "reply": b"{}",
    }
    with engine.begin() as connection:
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "0001")
        columns = ", ".join(old)
        connection.execute(
            text(f"INSERT INTO decisions ({columns}) VALUES ({', '.join(f':{name}' for name in old)})"), old
        )
    upgrade(engine)
    with engine.connect() as connection:
        assert repository.decision_by_id(connection, "x") == b"{}"
        row = repository.replayable(connection, "x")
    assert row is not None
    assert row.kept is None
    engine.dispose()


def test_sqlite_waits_for_the_disk(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:///a.db", "sqlite+pysqlite"),
    ],
)
def test_urls_are_accepted_as_people_write_them(url: str, driver: str) -> None:
    assert database_url(url).drivername == driver


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "nonsense"])
def test_other_urls_are_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ValueError, match="expected sqlite:///FILE or postgresql://"):
        open_engine(url)


def test_a_database_of_a_newer_program_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ValueError, match=r"9999.*use the version that wrote it"):
        upgrade(engine)
