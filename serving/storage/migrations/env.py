"""Run by Alembic; the connection comes from ``serving.storage.migrations.run``."""

from __future__ import annotations

from alembic import context

from serving.storage.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
