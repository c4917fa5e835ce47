"""Alembic migrations, run from code: at the start of the server and by ``fenzhen db upgrade``."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, text

_MIGRATION_LOCK = 4_215_077
"""Any fixed number: servers that start together on one PostgreSQL migrate one after the other."""


def config() -> Config:
    """Alembic's configuration, pointing at this folder."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def run(engine: Engine) -> None:
    """Upgrade the database of ``engine`` to the newest revision, in one transaction; raises ``ValueError``."""
    alembic = config()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        alembic.attributes["connection"] = connection
        try:
            command.upgrade(alembic, "head")
        except CommandError as error:
            raise ValueError(
                f"the database is at a revision this version of the program does not know ({error}): "
                "use the version that wrote it, or a newer one"
            ) from error
