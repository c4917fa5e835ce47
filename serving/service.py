"""Triage with a memory: exactly one stored decision per ticket text and per idempotency key."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import Engine

from serving.clock import CLOCK_SKEW, iso_utc, now, utc_now
from serving.observability import Metrics
from serving.privacy import Pseudonyms
from serving.problems import FieldError, ProblemError
from serving.promises import tracked
from serving.storage import repository
from serving.storage.database import reader
from serving.storage.ledger import Claim, Stored, Verdict, claimed, write
from serving.storage.writer import Writer
from triage.clocks import Clocks
from triage.decision import Decision
from triage.pipeline import Prepared, with_contacts
from triage.redaction import redact_json
from triage.replay import keep
from triage.ticket import Ticket

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class TriagePipeline(Protocol):
    """The core as the service uses it; ``triage.load_pipeline`` makes one."""

    @property
    def clocks(self) -> Clocks:
        """The clocks decisions carry."""

    @property
    def contacts_within(self) -> timedelta:
        """For how long a customer's other tickets count as earlier contacts."""

    def prepare(self, ticket: Ticket, /) -> Prepared:
        """The cleaned and masked ticket."""

    def predict(self, prepared: Prepared, /) -> Any:
        """What the network says, or ``None`` when it was not asked."""

    def decide(self, prepared: Prepared, prediction: Any, /) -> Decision:
        """The decision."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A ticket on its way in: identifiers are storable, ``asked_id`` is what the caller calls it."""

    ticket: Ticket
    asked_id: str | None
    text_sha256: str
    claim: Claim | None


class TriageService:
    """Answers tickets from the database or the pipeline. All methods may be called from any thread."""

    def __init__(self, pipeline: TriagePipeline, engine: Engine, pseudonyms: Pseudonyms, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._reader = reader(engine)
        self._pseudonyms = pseudonyms
        self._metrics = metrics
        self._writer = Writer(engine, write, order=lambda verdict: (verdict.row["source"], verdict.row["ticket_id"]))

    def close(self) -> None:
        """Wait until everything submitted is on disk."""
        self._writer.close()

    def submission(self, ticket: Ticket, idempotency_key: str | None = None, caller: str = "") -> Submission:
        """``ticket`` made ready for the road; ``caller`` keeps the idempotency keys of different API keys apart.

        A ticket that does not say when it was received was received now; one from the future is a ``ProblemError``.
        """
        arrived = now()
        for field in ("received_at", "opened_at"):
            if (said := getattr(ticket, field)) and said > arrived + CLOCK_SKEW:
                fault = FieldError(field=field, got="a moment in the future", expected="now or earlier, with an offset")
                detail = "The ticket is invalid: see errors. Nothing was stored."
                raise ProblemError(422, "invalid-ticket", detail, [fault])
        claim = None
        if idempotency_key is not None:
            body = json.dumps(ticket.model_dump(mode="json"), sort_keys=True)
            digest = self._pseudonyms.digest
            claim = Claim(digest("idempotency-key", f"{caller}\x00{idempotency_key}"), digest("body", body))
        storable = self._pseudonyms.storable
        stored = {
            "ticket_id": str(uuid4()) if ticket.ticket_id is None else storable(ticket.ticket_id),
            "source": storable(ticket.source),
            "channel": ticket.channel and storable(ticket.channel),
            "customer_id": ticket.customer_id and storable(ticket.customer_id),
            "received_at": ticket.received_at or arrived,
        }
        text_sha256 = hashlib.sha256(ticket.text.encode()).hexdigest()
        return Submission(ticket.model_copy(update=stored), ticket.ticket_id, text_sha256, claim)

    def find_or_decide(self, submission: Submission) -> Stored | Verdict:
        """The stored decision if there is one, else a new one for ``store``; raises ``ProblemError`` on a conflict."""
        found = self._find(submission)
        if found is not None:
            return found
        ticket, stage = submission.ticket, self._metrics.stage
        with stage("prepare"):
            prepared = self._pipeline.prepare(ticket)
            if ticket.customer_id is not None and ticket.previous_contacts is None:
                prepared = with_contacts(prepared, self._contacts(ticket))
        with stage("predict"):
            prediction = self._pipeline.predict(prepared)
        with stage("decide"):
            decision = self._pipeline.decide(prepared, prediction)
        return Verdict(_row(submission, prepared, decision), submission.claim, decision)

    def store(self, verdict: Verdict) -> Future[Stored]:
        """A future that is done once the decision, or the one that was there before it, is on disk."""
        started = time.perf_counter()
        future = self._writer.submit(verdict)

        def observe(done: Future[Stored]) -> None:
            self._metrics.observe("store", time.perf_counter() - started)
            if done.exception() is None and done.result().new:
                self._metrics.decided(verdict.decision)

        future.add_done_callback(observe)
        return future

    def reply(self, submission: Submission, stored: Stored) -> bytes:
        """The reply to ``submission``: the stored bytes, under the caller's own ticket id."""
        if not stored.new:
            self._metrics.replays.inc()
        return _under_own_id(stored.reply, submission.ticket.ticket_id, submission.asked_id)

    def triage(self, submission: Submission) -> bytes:
        """The reply to ``submission``, on disk when this returns."""
        outcome = self.find_or_decide(submission)
        return self.reply(submission, self.store(outcome).result() if isinstance(outcome, Verdict) else outcome)

    def decision(self, decision_id: str) -> bytes | None:
        """The stored decision, or ``None``."""
        with self._reader.connect() as connection:
            return repository.decision_by_id(connection, decision_id)

    def history(self, source: str, ticket_id: str) -> bytes | None:
        """All decisions about a ticket and promises made on it as JSON, newest last; ``None`` when there is none."""
        storable = self._pseudonyms.storable(ticket_id)
        with self._reader.connect() as connection:
            rows = repository.revisions(connection, self._pseudonyms.storable(source), storable)
            promised = repository.promises_of_ticket(connection, self._pseudonyms.storable(source), storable)
        if not rows:
            return None
        revisions = [
            b'{"revision":%d,"decided_at":"%s","decision":%s}'
            % (row.revision, row.created_at.encode(), _under_own_id(row.reply, storable, ticket_id))
            for row in rows
        ]
        head = json.dumps({"source": source, "ticket_id": ticket_id}, ensure_ascii=False).encode()
        promises = b",".join(promise.model_dump_json().encode() for promise in tracked(promised))
        return b'%s,"revisions":[%s],"promises":[%s]}' % (head[:-1], b",".join(revisions), promises)

    def ready(self) -> bool:
        """Whether the database answers; raises what the database raises."""
        with self._reader.connect() as connection:
            return repository.answers(connection)

    def _contacts(self, ticket: Ticket) -> int:
        """How many other tickets of the same customer were received in the policy's window before this one."""
        received_at = ticket.received_at or now()
        within = self._pipeline.contacts_within
        start = iso_utc(max(received_at, _EARLIEST + within) - within)
        of = (ticket.source, str(ticket.customer_id), str(ticket.ticket_id))
        with self._reader.connect() as connection:
            return repository.contacts(connection, *of, start, iso_utc(received_at))

    def _find(self, submission: Submission) -> Stored | None:
        if submission.claim is None and submission.asked_id is None:
            return None  # no name under which it could be known
        with self._reader.connect() as connection:
            if submission.claim is not None:
                found = claimed(connection, submission.claim)
                if found is not None:
                    return found
            ticket = submission.ticket
            known = repository.decision_by_text(
                connection, ticket.source, str(ticket.ticket_id), submission.text_sha256
            )
        # A new idempotency key for a known text must be written down too: the writer does both.
        return None if known is None or submission.claim is not None else Stored(known[1], new=False)


def _row(submission: Submission, prepared: Prepared, decision: Decision) -> dict[str, Any]:
    ticket = submission.ticket
    extra = ticket.metadata
    return {
        "decision_id": decision.decision_id,
        "source": ticket.source,
        "ticket_id": ticket.ticket_id,
        "text_sha256": submission.text_sha256,
        "text": prepared.text,
        "channel": ticket.channel,
        "customer_id": ticket.customer_id,
        "received_at": iso_utc(ticket.received_at) if ticket.received_at else None,
        "metadata": None if extra is None else json.dumps(redact_json(extra), ensure_ascii=False),
        "primary_type": decision.primary_type,
        "tier": decision.route.tier,
        "queue": decision.route.queue,
        "abstained": decision.abstained,
        "model": decision.receipt.model,
        "policy": decision.receipt.policy,
        "reply": decision.model_dump_json().encode(),
        "created_at": utc_now(),
        "kept": keep(prepared).model_dump_json(exclude_defaults=True),
    }


def _under_own_id(reply: bytes, stored_id: str | None, asked_id: str | None) -> bytes:
    if asked_id is None or asked_id == stored_id:
        return reply
    decision = Decision.model_validate_json(reply)
    return decision.model_copy(update={"ticket_id": asked_id}).model_dump_json().encode()
