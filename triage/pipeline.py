"""Three verbs carry a ticket: prepare, predict, decide."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from triage import words
from triage.bundle import Bundle, open_bundle, open_champion
from triage.classifier import Classifier, Prediction
from triage.decision import Decision, Evidence, Reason, Receipt
from triage.evidence import explain
from triage.reading import Reading, read
from triage.redaction import Redaction, redact
from triage.routing import Findings, Router, load_router
from triage.screening import screen
from triage.taxonomy import TAXONOMY_VERSION
from triage.text import AlignedText, clean
from triage.ticket import Ticket

NAMESPACE = uuid.UUID("6b0f2f0e-6d0a-5f53-9f0e-3d1a5a1c7b52")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ticket ready for the network. ``text.text`` is cleaned and masked: the only form to store or log."""

    ticket: Ticket
    aligned: AlignedText
    redactions: tuple[Redaction, ...]
    text_sha256: str
    abstain: Reason | None

    @property
    def text(self) -> str:
        """The cleaned and masked text."""
        return self.aligned.text


class Pipeline:
    """A champion and a policy, ready to decide; safe to call from several threads."""

    def __init__(self, bundle: Bundle, router: Router) -> None:
        self._manifest = bundle.manifest
        self._router = router
        self._classifier = Classifier(bundle)
        self.receipt_versions = {
            "model": bundle.receipt_version,
            "taxonomy": TAXONOMY_VERSION,
            "policy": router.version,
        }

    def warm_up(self) -> None:
        """Load what is loaded on first use, so that the first ticket is as fast as the others."""
        words.warm_up()
        self.triage("客服一直不回复，钱也不退，太气人了！電話 13800000000")

    def triage(self, ticket: Ticket | str) -> Decision:
        """The decision for a ticket, or for a bare text."""
        prepared = self.prepare(Ticket(text=ticket) if isinstance(ticket, str) else ticket)
        return self.decide(prepared, self.predict(prepared))

    def prepare(self, ticket: Ticket) -> Prepared:
        """Clean, mask and screen the text of one ticket."""
        aligned, redactions = redact(clean(ticket.text))
        return Prepared(
            ticket=ticket,
            aligned=aligned,
            redactions=redactions,
            text_sha256=hashlib.sha256(ticket.text.encode("utf-8")).hexdigest(),
            abstain=screen(aligned.text),
        )

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
            route=self._router.route(findings(prepared.text, reading)),
            evidence=evidence,
            receipt=Receipt(**self.receipt_versions, text_sha256=prepared.text_sha256, windows=windows),
        )

    def _decision_id(self, prepared: Prepared) -> str:
        """A UUIDv5 of ticket, text and versions: the same decision has the same id wherever it is made."""
        ticket = prepared.ticket
        parts = (ticket.source, ticket.ticket_id or "", prepared.text_sha256, *self.receipt_versions.values())
        return str(uuid.uuid5(NAMESPACE, "\n".join(parts)))


def findings(text: str, reading: Reading) -> Findings:
    """What the routing policy may look at, of a masked text and what was read from it."""
    return Findings(
        text=text,
        primary_type=reading.primary_type,
        types=frozenset(score.name for score in reading.types if score.selected),
        demands=frozenset(score.name for score in reading.demands),
        risks=frozenset(score.name for score in reading.risks),
        intensity=reading.intensity.level if reading.intensity else 0,
        abstain_code=reading.abstain.code if reading.abstain else None,
    )


def load_pipeline(models: str | Path = "models", *, bundle: str | None = None, policy: Path | None = None) -> Pipeline:
    """The pipeline for the champion of a models folder, or for the version ``bundle`` in it.

    Raises BundleError when a file of the bundle is missing or altered, PolicyError when the policy cannot be applied.
    """
    opened = open_champion(Path(models)) if bundle is None else open_bundle(Path(models) / bundle)
    return Pipeline(opened, load_router(policy))
