"""The decision a ticket leaves with. The field names are the public reply of ``POST /v1/triage``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelScore(_Frozen):
    """A label with its calibrated probability and whether it passed its threshold."""

    name: str
    label: str = Field(description="Chinese name.")
    probability: float = Field(ge=0, le=1)
    selected: bool


class Level(_Frozen):
    """A strength: ``level`` 0–3 for people, ``score`` the unrounded expectation in [0, 3]."""

    level: int = Field(ge=0, le=3)
    score: float = Field(ge=0, le=3)


class Reason(_Frozen):
    """A machine-readable code with the sentence a person reads, in Chinese."""

    code: str
    text: str


class Route(_Frozen):
    """Who handles the ticket, and every rule that said so."""

    tier: str
    queue: str
    reasons: tuple[Reason, ...]


class Evidence(_Frozen):
    """Words that carry a label: ``[start, end)`` indexes the original text in characters; ``weight`` in logits."""

    label: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    weight: float


class Receipt(_Frozen):
    """What is needed to replay the decision: versions and the hash of the text they were applied to."""

    model: str
    taxonomy: str
    policy: str
    text_sha256: str = Field(description="SHA-256 of the original text in UTF-8.")
    windows: int = Field(ge=0, description="Windows of at most 512 tokens the model read; 0 when it was not run.")


class Decision(_Frozen):
    """The whole reply. Abstained decisions carry no types; risks that were found still route the ticket upwards."""

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
    evidence: tuple[Evidence, ...]
    receipt: Receipt
