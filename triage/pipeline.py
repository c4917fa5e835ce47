"""Three verbs carry a ticket: prepare, predict, decide."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from triage.bundle import Bundle, open_bundle, open_champion
from triage.classifier import Classifier, Prediction
from triage.clocks import Clocks, load_clocks
from triage.decision import Decision, Receipt
from triage.evidence import explain
from triage.listening.facts import Fact, extract_facts, staff_named
from triage.listening.quotes import own_words
from triage.listening.record import listen
from triage.playbook import Playbook, load_playbook
from triage.reading import Reading, read
from triage.records import Evidence, Reason
from triage.redaction import Redaction, redact
from triage.routing import Findings, Router, load_router
from triage.screening import screen
from triage.taxonomy import TAXONOMY_VERSION
from triage.text import AlignedText, clean
from triage.ticket import MAX_CONTACTS, Ticket

CIRCUMSTANCES = {"channel", "received_at", "opened_at", "amount", "previous_contacts", "customer_flags"}
"""Fields of a ticket beside its text that a decision depends on."""
NAMESPACE = uuid.UUID("6b0f2f0e-6d0a-5f53-9f0e-3d1a5a1c7b52")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ticket ready for the network. ``text.text`` is cleaned and masked: the only form to store or log."""

    ticket: Ticket
    aligned: AlignedText
    redactions: tuple[Redaction, ...]
    text_sha256: str
    facts: tuple[Fact, ...]
    abstain: Reason | None

    @property
    def text(self) -> str:
        """The cleaned and masked text."""
        return self.aligned.text


class Pipeline:
    """A champion and the files it decides by, ready to work; safe to call from several threads."""

    def __init__(self, bundle: Bundle, router: Router, clocks: Clocks, playbook: Playbook) -> None:
        self._manifest = bundle.manifest
        self._router = router
        self.clocks = clocks
        self.contacts_within = router.contacts_within
        self._playbook = playbook
        self._classifier = Classifier(bundle)
        self.receipt_versions = {
            "model": bundle.receipt_version,
            "taxonomy": TAXONOMY_VERSION,
            "policy": router.version,
            "sla": f"{clocks.version}/{clocks.profile}/{clocks.calendar_version}",
            "playbook": playbook.version,
        }

    def warm_up(self) -> None:
        """Load what is loaded on first use, so that the first ticket is as fast as the others."""
        self.triage("客服一直不回复，钱也不退，太气人了！電話 13800000000")

    def triage(self, ticket: Ticket | str) -> Decision:
        """The decision for a ticket, or for a bare text."""
        prepared = self.prepare(Ticket(text=ticket) if isinstance(ticket, str) else ticket)
        return self.decide(prepared, self.predict(prepared))

    def prepare(self, ticket: Ticket) -> Prepared:
        """One ticket made ready, see ``prepare``."""
        return prepare(ticket)

    def predict(self, prepared: Prepared) -> Prediction | None:
        """What the network says of the text; None where screening found nothing it could say something about."""
        return None if prepared.abstain else self._classifier.predict(prepared.text)

    def decide(self, prepared: Prepared, prediction: Prediction | None) -> Decision:
        """The decision: a pure function of what was prepared and predicted, the manifest and the policy."""
        if prediction is None:
            return self._reply(prepared, Reading.silent(prepared.abstain), (), 0)
        reading = read(prediction.probabilities, self._manifest, prediction.foreign)
        evidence = explain(prepared.ticket.text, prepared.aligned, prepared.redactions, prediction, reading.selected())
        return self._reply(prepared, reading, evidence, len(prediction.windows))

    def _reply(self, prepared: Prepared, reading: Reading, evidence: tuple[Evidence, ...], windows: int) -> Decision:
        ticket = prepared.ticket
        found = findings(prepared, reading)
        route = self._router.route(found)
        deadlines = ticket.received_at and self.clocks.deadlines(
            tier=route.tier,
            queue=route.queue,
            primary_type=reading.primary_type,
            risks=found.risks,
            received_at=ticket.received_at,
        )
        return Decision(
            decision_id=self._decision_id(prepared),
            ticket_id=prepared.ticket.ticket_id,
            types=reading.types,
            primary_type=reading.primary_type,
            intensity=reading.intensity,
            emotions=reading.emotions,
            demands=reading.demands,
            risks=reading.risks,
            abstained=reading.abstain is not None,
            abstain_reason=reading.abstain,
            route=route,
            deadlines=deadlines or (),
            evidence=evidence,
            listening=listen(prepared.aligned, prepared.facts, reading, evidence),
            plan=self._playbook.plan(
                primary_type=reading.primary_type,
                tier=route.tier,
                intensity=found.intensity,
                risks=found.risks,
                named_staff=found.staff,
            ),
            receipt=Receipt(**self.receipt_versions, text_sha256=prepared.text_sha256, windows=windows),
        )

    def _decision_id(self, prepared: Prepared) -> str:
        """A UUIDv5 of ticket, text and versions: the same decision has the same id wherever it is made."""
        ticket = prepared.ticket
        known = ticket.model_dump_json(include=CIRCUMSTANCES, exclude_defaults=True)
        parts = (ticket.source, ticket.ticket_id or "", prepared.text_sha256, *self.receipt_versions.values(), known)
        return str(uuid.uuid5(NAMESPACE, "\n".join(parts)))


def prepare(ticket: Ticket) -> Prepared:
    """The ticket with its text cleaned, masked and screened, and the facts that are read off it."""
    return examine(ticket, *redact(clean(ticket.text)), hashlib.sha256(ticket.text.encode("utf-8")).hexdigest())


def examine(ticket: Ticket, aligned: AlignedText, redactions: tuple[Redaction, ...], text_sha256: str) -> Prepared:
    """A ticket whose text is cleaned and masked already, screened, and the facts that are read off it."""
    return Prepared(
        ticket=ticket,
        aligned=aligned,
        redactions=redactions,
        text_sha256=text_sha256,
        facts=extract_facts(aligned, ticket.received_at),
        abstain=screen(aligned.text),
    )


def findings(prepared: Prepared, reading: Reading) -> Findings:
    """What the routing policy may look at: what was read, what the text says, and what the caller knows besides."""
    ticket, facts = prepared.ticket, prepared.facts
    age = ticket.received_at and ticket.opened_at and ticket.received_at - ticket.opened_at
    return Findings(
        text=own_words(prepared.text),
        primary_type=reading.primary_type,
        types=frozenset(score.name for score in reading.types if score.selected),
        demands=frozenset(score.name for score in reading.demands),
        risks=frozenset(score.name for score in reading.risks),
        intensity=reading.intensity.level if reading.intensity else 0,
        abstain_code=reading.abstain.code if reading.abstain else None,
        emotions={name: level.level for name, level in reading.emotions.items()},
        probabilities={score.name: score.probability for score in reading.types},
        amount=ticket.amount if ticket.amount is not None else _largest(facts),
        contacts=_contacts_said(facts) if ticket.previous_contacts is None else ticket.previous_contacts,
        age_days=age.total_seconds() / 86_400 if age else None,
        channel=ticket.channel,
        flags=frozenset(ticket.customer_flags),
        staff=staff_named(facts),
    )


def with_contacts(prepared: Prepared, counted: int) -> Prepared:
    """``prepared`` with ``counted`` earlier contacts known of, where its text does not speak of more.

    For a ticket that does not say ``previous_contacts`` itself: what it says comes before what was counted.
    """
    if counted <= _contacts_said(prepared.facts):
        return prepared
    known = prepared.ticket.model_copy(update={"previous_contacts": min(counted, MAX_CONTACTS)})
    return replace(prepared, ticket=known)


def _contacts_said(facts: tuple[Fact, ...]) -> int:
    return max((fact.count for fact in facts if fact.count is not None), default=0)


def _largest(facts: tuple[Fact, ...]) -> Decimal | None:
    return max((fact.yuan for fact in facts if fact.yuan is not None), default=None)


def load_pipeline(
    models: str | Path = "models",
    *,
    bundle: str | None = None,
    policy: Path | None = None,
    sla: Path | None = None,
    profile: str | None = None,
    playbook: Path | None = None,
) -> Pipeline:
    """The pipeline for the champion of a models folder, or for the version ``bundle`` in it.

    Raises BundleError when a file of the bundle is missing or altered; PolicyError, ClockError or PlaybookError when a
    file that it decides by cannot be applied.
    """
    opened = open_champion(Path(models)) if bundle is None else open_bundle(Path(models) / bundle)
    router = load_router(policy)
    return Pipeline(opened, router, load_clocks(sla, profile, router.tiers), load_playbook(playbook))
