"""What may be written down: identifiers that are personal numbers become keyed pseudonyms."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from triage.redaction import is_personal

_MIN_SECRET_CHARS = 32


class Pseudonyms:
    """Keyed one-way names: the same identifier gives the same name, nobody without the secret can go back."""

    def __init__(self, secret: str) -> None:
        if len(secret) < _MIN_SECRET_CHARS:
            raise ValueError(
                f"FENZHEN_SECRET has {len(secret)} characters: expected at least {_MIN_SECRET_CHARS} random ones"
            )
        self._key = secret.encode()

    def storable(self, identifier: str) -> str:
        """``identifier`` itself, or its pseudonym when it is a phone, ID-card, bank-card number or an e-mail."""
        return f"pn-{self.digest('identifier', identifier)}" if is_personal(identifier) else identifier

    def digest(self, purpose: str, value: str) -> str:
        """HMAC-SHA256 of ``value`` in hex; different purposes never give comparable digests."""
        return hmac.new(self._key, f"{purpose}\x00{value}".encode(), hashlib.sha256).hexdigest()

    @property
    def fingerprint(self) -> str:
        """Tells whether two processes use the same secret, without telling the secret."""
        return self.digest("fingerprint", "")[:32]


def load_or_create_secret(path: Path) -> str:
    """The secret in ``path``; made there, readable by its owner only, when the file is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
            # Linked, not written in place: of two first starts at once both must read one whole secret.
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text("ascii").strip()
