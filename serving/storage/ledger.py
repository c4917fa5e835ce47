"""Writing a decision down exactly once, whoever else is writing the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from serving.problems import FieldError, ProblemError
from serving.storage import repository
from triage.decision import Decision

_INSERT_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key with the body it was sent with, both as keyed digests."""

    key_hmac: str
    body_hmac: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision not yet on disk: ``row`` is its future row, without the revision."""

    row: dict[str, Any]
    claim: Claim | None
    decision: Decision


@dataclass(frozen=True, slots=True)
class Stored:
    """A decision on disk: the bytes of the reply and whether this request was the one that made it."""

    reply: bytes
    new: bool


def write(connection: Connection, verdict: Verdict) -> Stored:
    """What stands in the database for this ticket or idempotency key once the transaction commits."""
    row, claim = verdict.row, verdict.claim
    if claim is not None and not repository.insert_claim(
        connection, claim.key_hmac, claim.body_hmac, row["decision_id"], row["created_at"]
    ):
        found = claimed(connection, claim)
        if found is None:
            raise RuntimeError("an idempotency key was taken and then gone")
        return found
    for _ in range(_INSERT_ATTEMPTS):
        if repository.insert_decision(connection, row):
            return Stored(row["reply"], new=True)
        known = repository.decision_by_text(connection, row["source"], row["ticket_id"], row["text_sha256"])
        if known is not None:
            if claim is not None:
                repository.point_claim(connection, claim.key_hmac, known[0])
            return Stored(known[1], new=False)
        # Another server took this revision number for another text of the ticket: take the next one.
    raise RuntimeError(f"no free revision after {_INSERT_ATTEMPTS} attempts")


def claimed(connection: Connection, claim: Claim) -> Stored | None:
    """The decision an idempotency key leads to, or ``None``; raises ``ProblemError`` 422 for another body."""
    held = repository.claim(connection, claim.key_hmac)
    if held is None:
        return None
    body_hmac, decision_id = held
    if body_hmac != claim.body_hmac:
        error = FieldError(
            field="Idempotency-Key", got="a key that came with another body before", expected="a new key for a new body"
        )
        raise ProblemError(422, "idempotency-conflict", "This Idempotency-Key belongs to another request.", [error])
    reply = repository.decision_by_id(connection, decision_id)
    return None if reply is None else Stored(reply, new=False)
