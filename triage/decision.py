"""The decision a ticket leaves with. The field names are the public reply of ``POST /v1/triage``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from triage.clocks import Deadline
from triage.listening.record import Listening
from triage.playbook import ReplyPlan
from triage.records import Evidence, LabelScore, Level, Reason, Route


class Receipt(BaseModel):
    """What is needed to replay the decision: versions and the hash of the text they were applied to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    taxonomy: str
    policy: str
    sla: str = Field(default="", description="Deadline file with its hash, the profile, and the holiday calendar.")
    playbook: str = ""
    text_sha256: str = Field(description="SHA-256 of the original text in UTF-8.")
    windows: int = Field(ge=0, description="Windows of the text that the model read; 0 when it was not run.")


class Decision(BaseModel):
    """The whole reply. Abstained decisions carry no types; risks that were found still route the ticket upwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision_id: str
    ticket_id: str | None
    types: tuple[LabelScore, ...]
    primary_type: str | None = Field(description="quality, service, refusal, illicit, other; null when abstained.")
    intensity: Level | None
    emotions: dict[str, Level]
    demands: tuple[LabelScore, ...] = Field(description="Only the selected ones.")
    risks: tuple[LabelScore, ...] = Field(description="Only the selected ones.")
    abstained: bool
    abstain_reason: Reason | None
    route: Route
    deadlines: tuple[Deadline, ...] = Field(default=(), description="Empty where no received_at is known.")
    evidence: tuple[Evidence, ...]
    listening: Listening | None = Field(default=None, description="Facts, feelings and expectations as said.")
    plan: ReplyPlan | None = Field(default=None, description="How to answer.")
    receipt: Receipt
