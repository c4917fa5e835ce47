"""API keys: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field

from sqlalchemy import Engine

from serving.clock import utc_now
from serving.storage import repository
from serving.storage.database import reader

PREFIX = "fz_"
REFRESH_SECONDS = 1.0
"""How long a revoked key may still work, and how long a first key may take to close the door."""
_MISS_REFRESH_SECONDS = 0.05


class KeyNameError(ValueError):
    """The name of a key is taken, unknown or unusable; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    ever_made: bool = False
    active: dict[str, str] = field(default_factory=dict)  # SHA-256 of the key -> its name
    taken_at: float = float("-inf")


class KeyRing:
    """Answers who calls. Once a key was ever made a caller needs one, also when all have been revoked since."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reader(engine)
        self._snapshot = _Snapshot()
        self._lock = threading.Lock()

    def needs_refresh(self, token: str | None) -> bool:
        """Whether ``caller`` would have to ask the database, which a thread other than the event loop's should do."""
        age = time.monotonic() - self._snapshot.taken_at
        missed = token is not None and self._snapshot.ever_made and _sha256(token) not in self._snapshot.active
        return age > (_MISS_REFRESH_SECONDS if missed else REFRESH_SECONDS)

    def refresh(self) -> None:
        """Read the keys anew."""
        with self._lock, self._engine.connect() as connection:
            rows = repository.api_key_rows(connection)
            active = {row.sha256: row.name for row in rows if row.revoked_at is None}
            self._snapshot = _Snapshot(bool(rows), active, time.monotonic())

    @property
    def closed(self) -> bool:
        """Whether callers need a key, as of the last refresh."""
        return self._snapshot.ever_made

    def caller(self, token: str | None) -> str | None:
        """The name of the key ``token``, or ``None`` when it is not a valid one. Looked up by hash: nothing to time."""
        return None if token is None else self._snapshot.active.get(_sha256(token))


def create_key(engine: Engine, name: str) -> str:
    """A new key, to be shown once; raises ``KeyNameError`` when ``name`` is blank, too long or taken."""
    if not 1 <= len(name.strip()) <= 100 or not name.isprintable():
        raise KeyNameError(f"a key name of {len(name)} characters: expected 1 to 100 printable ones")
    token = PREFIX + secrets.token_urlsafe(32)
    row = {"name": name, "prefix": token[:8], "sha256": _sha256(token), "created_at": utc_now()}
    with engine.begin() as connection:
        if not repository.insert_api_key(connection, row):
            raise KeyNameError(f"a key named {name!r} exists (revoked names are not used again): choose another name")
    return token


def revoke_key(engine: Engine, name: str) -> None:
    """Revoke the key called ``name``; raises ``KeyNameError`` when there is none to revoke."""
    with engine.begin() as connection:
        if not repository.revoke_api_key(connection, name, utc_now()):
            raise KeyNameError(f"no active key is named {name!r}: see 'fenzhen keys list'")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
