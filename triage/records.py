"""The records that decisions are put together from; their field names are part of the public reply."""

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
    checks: tuple[str, ...] = Field(default=(), description="What the handler has to do while the case is open.")
    before_closing: tuple[str, ...] = Field(default=(), description="Who has to review the case before it is closed.")
    may_settle: str | None = Field(default=None, description="Lowest tier with authority over this type and amount.")
    recused: tuple[str, ...] = Field(default=(), description="Named staff and their delegates; never to handle it.")


class Evidence(_Frozen):
    """Words that carry a label: ``[start, end)`` indexes the original text in characters; ``weight`` in logits."""

    label: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    weight: float
