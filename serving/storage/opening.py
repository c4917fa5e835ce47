"""Opening the database together with the secret its pseudonyms are made with."""

from __future__ import annotations

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from serving.privacy import Pseudonyms, load_or_create_secret
from serving.settings import Settings
from serving.startup import StartError
from serving.storage import repository
from serving.storage.database import open_engine, upgrade

_SPARE_CONNECTIONS = 8
"""Database connections beside one per worker: the writer, health checks and reads."""


def open_database(settings: Settings) -> tuple[Engine, Pseudonyms]:
    """The migrated database and the pseudonyms that belong to it; raises ``StartError``."""
    try:
        engine = open_engine(settings.database_url, settings.workers + _SPARE_CONNECTIONS)
        upgrade(engine)
        given = settings.secret
        pseudonyms = Pseudonyms(given.get_secret_value() if given else load_or_create_secret(settings.secret_file))
        with engine.begin() as connection:
            known = repository.remember(connection, "secret_fingerprint", pseudonyms.fingerprint)
    except SQLAlchemyError as error:
        shown = make_url(settings.database_url).render_as_string(hide_password=True)
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartError(f"the database {shown} cannot be opened or migrated: {reason}") from error
    except (ValueError, OSError) as error:
        raise StartError(str(error)) from error
    if known != pseudonyms.fingerprint:
        raise StartError(
            "this database was written with another FENZHEN_SECRET: tickets under personal numbers would not be found "
            f"again. Set the FENZHEN_SECRET it was written with, or bring back its {settings.secret_file}."
        )
    return engine, pseudonyms
